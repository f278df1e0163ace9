"""Does a single latent know an attribute? The best one is chosen on one half of the images and scored on the other.

Single dimensions of the token, principal components (of the choosing half) and random directions go through the same
choice. They are given two ends, so that either sign may stand for the attribute; a latent is only ever read as present.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cytosae_core.concepts.attribute_list import PREVALENCE
from cytosae_core.concepts.pooling import Pooled
from cytosae_core.concepts.ranks import (
    Curves,
    auroc_columns,
    bootstrap_weights,
    interval,
    weighted_curves,
)
from cytosae_core.errors import AnalysisError

BoolArray = NDArray[np.bool_]

MIN_IMAGES = 5
"""Images with, and without, the attribute that each half needs for it to be scored."""
GOOD_AUROC = 0.9


class Best(NamedTuple):
    """The direction that tells an attribute best among the choosing images."""

    direction: int
    pooling: str
    auroc_choosing: float
    values: NDArray[np.float32]
    """(n_images,) its pooled values on all images."""


def split_halves(clusters: NDArray[np.generic], seed: int) -> BoolArray:
    """(n_images,) True for the images to choose on: half of the clusters (n_images,), which are never divided.

    Clusters are patients where they are known and single images otherwise. AnalysisError for fewer than 2.
    """
    names, of_image = np.unique(clusters, return_inverse=True)
    if len(names) < 2:
        raise AnalysisError(f"{len(names)} patients or images cannot be halved; give at least 2")
    chosen = np.zeros(len(names), bool)
    chosen[np.random.default_rng(seed).permutation(len(names))[: len(names) // 2]] = True
    return chosen[of_image]


def scorable(labels: pd.DataFrame, choosing: BoolArray) -> list[str]:
    """Attributes of which both halves have at least `MIN_IMAGES` images with and without."""
    values = labels.to_numpy(dtype=bool)
    counts = [part.sum(axis=0) for half in (choosing, ~choosing) for part in (values[half], ~values[half])]
    enough = np.min(counts, axis=0) >= MIN_IMAGES
    return [str(name) for name, is_enough in zip(labels.columns, enough, strict=True) if is_enough]


def best_directions(chunks: Iterable[Pooled], labels: BoolArray, choosing: BoolArray) -> list[Best]:
    """For each attribute, a column of `labels` (n_images, n_attributes), the best of all directions in `chunks`.

    Best is the highest AUROC on the images `choosing`; ties go to the first direction, then to the pooling listed
    first. Raises AnalysisError where there are no directions or AUROC does not exist.
    """
    best: list[Best | None] = [None] * labels.shape[1]
    for pooled in chunks:
        for pooling, values in pooled.values.items():
            scores = auroc_columns(values[choosing], labels[choosing])
            for row, column in enumerate(scores.argmax(axis=1)):
                score = float(scores[row, column])
                candidate = Best(pooled.first + int(column), pooling, score, values[:, column].copy())
                best[row] = _better(best[row], candidate)
    if None in best:
        raise AnalysisError("some attribute has no direction that can be scored; leave it out with `scorable`")
    return [one for one in best if one is not None]


def _better(old: Best | None, new: Best) -> Best | None:
    if np.isnan(new.auroc_choosing):
        return old
    return new if old is None or new.auroc_choosing > old.auroc_choosing else old


class Scorer:
    """Scores on the held-out half, all with the same bootstrap samples, so that differences are paired."""

    def __init__(self, labels: pd.DataFrame, choosing: BoolArray, clusters: NDArray[np.generic], *, n_bootstrap: int,
                 seed: int) -> None:  # fmt: skip
        """`labels` (n_images, n_attributes) of bool, and the clusters (n_images,) that are sampled again together."""
        self.labels = labels
        self.held_out = ~choosing
        sampled = bootstrap_weights(clusters[self.held_out], n_bootstrap, seed)
        self.weights = np.vstack([np.ones(sampled.shape[1]), sampled])
        """First the held-out images as they are, then the samples."""

    def curves(self, attribute: str, best: Best) -> Curves:
        """AUROC and average precision of the held-out images, then of each sample: (1 + n_bootstrap,)."""
        truth = self.labels[attribute].to_numpy(dtype=bool)[self.held_out]
        return weighted_curves(best.values[self.held_out].astype(np.float64), truth, self.weights)


def score_table(kind: str, scorer: Scorer, attributes: Sequence[str], bests: Sequence[Best]) -> pd.DataFrame:
    """One row per attribute: attribute, kind, direction, pooling, auroc_choosing, auroc, auroc_low, auroc_high,
    average_precision, average_precision_low, average_precision_high.

    All but auroc_choosing are of the held-out images; intervals hold 95 % of the bootstrap samples.
    """  # fmt: skip
    rows = []
    for attribute, best in zip(attributes, bests, strict=True):
        curves = scorer.curves(attribute, best)
        row = {"attribute": attribute, "kind": kind, "direction": best.direction, "pooling": best.pooling}
        row |= {"auroc_choosing": best.auroc_choosing}
        for name, samples in curves._asdict().items():
            ends = interval(samples[1:])
            row |= {name: float(samples[0]), f"{name}_low": ends.low, f"{name}_high": ends.high}
        rows.append(row)
    return pd.DataFrame(rows)


def summary_table(
    scorer: Scorer,
    attributes: Sequence[str],
    bests: Mapping[str, Sequence[Best]],
    regions: Mapping[str, str] | None = None,
) -> pd.DataFrame:
    """One row per attribute: place, prevalence, in_range, auroc_<kind>, lead, lead_low, lead_high, is_found.

    `bests` are the best directions by kind, "latent" and others. in_range says whether the prevalence lies in
    `PREVALENCE`. lead is the latent's held-out AUROC above the best other kind but "random", with its paired bootstrap
    interval. is_found: AUROC of the latent above `GOOD_AUROC`, and lead above 0.
    """
    rivals = [kind for kind in bests if kind not in ("latent", "random")]
    rows = []
    for number, attribute in enumerate(attributes):
        auroc = {kind: scorer.curves(attribute, found[number]).auroc for kind, found in bests.items()}
        lead = auroc["latent"] - np.max([auroc[kind] for kind in rivals], axis=0)
        ends = interval(lead[1:])
        prevalence = float(scorer.labels[attribute].mean())
        rows.append(
            {"attribute": attribute, "place": (regions or {}).get(attribute, ""), "prevalence": prevalence}
            | {"in_range": PREVALENCE[0] <= prevalence <= PREVALENCE[1]}
            | {f"auroc_{kind}": float(samples[0]) for kind, samples in auroc.items()}
            | {"lead": float(lead[0]), "lead_low": ends.low, "lead_high": ends.high}
            | {"is_found": bool(auroc["latent"][0] > GOOD_AUROC and lead[0] > 0)}
        )
    return pd.DataFrame(rows)
