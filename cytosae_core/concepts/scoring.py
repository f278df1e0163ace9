"""Everything about what latents mean, in one run: attributes, maps on masks, monosemanticity."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cytosae_core.concepts.attribute_list import CELL_ATTRIBUTES
from cytosae_core.concepts.attributes import (
    Best,
    BoolArray,
    Scorer,
    best_directions,
    scorable,
    score_table,
    split_halves,
    summary_table,
)
from cytosae_core.concepts.directions import Directions, components, dimensions, random_directions
from cytosae_core.concepts.firing import firing_latents
from cytosae_core.concepts.localisation import localisation, localisation_row, usable_images
from cytosae_core.concepts.monosemanticity import mean_similarity, monosemanticity
from cytosae_core.concepts.pooling import CHUNK, Coverage, Pooled, maps_of, pooled_chunks
from cytosae_core.concepts.rendered_labels import RenderedTruth
from cytosae_core.errors import AnalysisError
from cytosae_core.progress import Progress, no_progress
from cytosae_core.tokens.source import TokenSource


@dataclass(frozen=True)
class ScoringConfig:
    """How attributes are scored."""

    seed: int = 0
    """Of the halves, the random directions, the bootstrap and the shuffled maps."""
    n_bootstrap: int = 1000
    """Samples behind each interval."""
    n_random: int = 4096
    """Random directions."""
    n_shuffles: int = 199
    """Times that maps are dealt to other images."""
    chunk: int = CHUNK
    """Directions of one pass over the tokens: more need more memory."""


@dataclass(frozen=True, eq=False)
class _Pass:
    """What one pass over all directions of a kind leaves."""

    best: list[Best]
    part_best: NDArray[np.int64] | None
    """(n_parts,) direction with the highest correlation of value and coverage by patch."""
    monosemanticity: NDArray[np.float64]
    """(n_directions,)."""

    def renumbered(self, numbers: NDArray[np.int64], n_directions: int) -> "_Pass":
        """The same, where the directions were those of these numbers among `n_directions`."""
        monosemanticity = np.full(n_directions, np.nan)
        monosemanticity[numbers] = self.monosemanticity
        best = [one._replace(direction=int(numbers[one.direction])) for one in self.best]
        part_best = None if self.part_best is None else numbers[self.part_best]
        return replace(self, best=best, part_best=part_best, monosemanticity=monosemanticity)


def score_attributes(
    latents: Directions,
    tokens: TokenSource,
    labels: pd.DataFrame,
    embeddings: NDArray[np.float32],
    *,
    truth: RenderedTruth | None = None,
    config: ScoringConfig | None = None,
    firing_progress: Progress = no_progress,
    progress: Progress = no_progress,
) -> dict[str, pd.DataFrame]:
    """Tables by name: summary, scores, monosemanticity, left_out and, with `truth`, maps_on_masks.

    `labels` has one row per image of `tokens` and one column of bool per attribute; `embeddings` (n_images, d) are the
    images' own, for monosemanticity. Patients (column patient of the index) are never divided between the halves.
    left_out names the attributes that too few images have, or lack. Raises AnalysisError when none is left.
    """
    config = config or ScoringConfig()
    clusters = image_clusters(tokens.index)
    choosing = split_halves(clusters, config.seed)
    attributes = scorable(labels, choosing)
    if not attributes:
        raise AnalysisError("no attribute has enough images with and without it in both halves; give more images")
    scorer = Scorer(labels, choosing, clusters, n_bootstrap=config.n_bootstrap, seed=config.seed)
    firing = firing_latents(latents, tokens, firing_progress)
    kinds = {"latent": latents.take(firing)} | _rivals(tokens, choosing, config)
    coverage = None if truth is None else truth.coverage
    known = labels[attributes].to_numpy(dtype=bool)
    done = _Count(sum(-(-kind.n_directions // config.chunk) for kind in kinds.values()), progress)
    passes = {
        kind: _one_pass(part, tokens, known, choosing, embeddings, coverage if kind == "latent" else None, config, done)
        for kind, part in kinds.items()
    }
    passes["latent"] = passes["latent"].renumbered(firing, latents.n_directions)
    bests = {kind: found.best for kind, found in passes.items()}
    regions = {one.name: one.region for one in CELL_ATTRIBUTES}
    tables = {
        "summary": summary_table(scorer, attributes, bests, regions),
        "scores": pd.concat([score_table(kind, scorer, attributes, best) for kind, best in bests.items()]),
        "monosemanticity": _monosemanticity_table(passes, embeddings),
        "left_out": pd.DataFrame(
            [{"attribute": name, "n_images": int(labels[name].sum())} for name in labels if name not in attributes],
            columns=["attribute", "n_images"],
        ),
    }
    if truth is not None:
        tables["maps_on_masks"] = _maps_on_masks(
            latents, tokens, truth, labels, ~choosing, attributes, passes["latent"], config
        )
    return tables


def _rivals(tokens: TokenSource, choosing: BoolArray, config: ScoringConfig) -> dict[str, Directions]:
    d_model = tokens.shape[2]
    return {
        "dimension": dimensions(d_model),
        "component": components(tokens, choosing),
        "random": random_directions(d_model, config.n_random, config.seed),
    }


def image_clusters(index: pd.DataFrame) -> NDArray[np.object_]:
    """(n_images,) the patient of each image, or the image itself where no patient is known."""
    if "patient" not in index:
        return index["image_id"].to_numpy(dtype=object)
    known = index["patient"].notna()
    clusters: NDArray[np.object_] = (
        ("patient " + index["patient"].astype("str")).where(known, index["image_id"]).to_numpy(dtype=object)
    )
    return clusters


def split_note(index: pd.DataFrame) -> str:
    """What must be said with every score about the halves."""
    if "patient" in index and index["patient"].notna().all():
        return "halves are of patients: no patient is on both sides"
    return "no patients are known: images of one donor may be on both sides, which flatters every score"


def one_vs_rest(columns: pd.DataFrame) -> pd.DataFrame:
    """One column of bool per value of each column, `<column> = <value>`; of a pair of values, only the rarer.

    Images without a value have none of them.
    """
    labels: dict[str, NDArray[np.bool_]] = {}
    for name in columns:
        counts = columns[name].dropna().astype("str").value_counts()
        values = sorted(counts.index) if len(counts) > 2 else list(counts.index[-1:])
        labels |= {f"{name} = {value}": (columns[name].astype("str") == value).to_numpy() for value in values}
    return pd.DataFrame(labels, index=columns.index)


class _Count:
    """Chunks done, over all kinds."""

    def __init__(self, n_all: int, progress: Progress) -> None:
        self.n_all, self.n_done, self.progress = n_all, 0, progress

    def step(self) -> None:
        self.n_done += 1
        self.progress(self.n_done, self.n_all)


def _one_pass(
    directions: Directions,
    tokens: TokenSource,
    known: BoolArray,
    choosing: BoolArray,
    embeddings: NDArray[np.float32],
    coverage: Coverage | None,
    config: ScoringConfig,
    done: _Count,
) -> _Pass:
    scores, correlations = [], []

    def watched() -> Iterator[Pooled]:
        for pooled in pooled_chunks(directions, tokens, coverage=coverage, choosing=choosing, chunk=config.chunk):
            scores.append(monosemanticity(pooled.values["mean"], embeddings))
            if pooled.part_correlation is not None:
                correlations.append(pooled.part_correlation)
            yield pooled
            done.step()

    best = best_directions(watched(), known, choosing)
    part_best = None
    if correlations:
        part_best = np.nan_to_num(np.hstack(correlations), nan=-1.0).argmax(axis=1)
    return _Pass(best, part_best, np.concatenate(scores))


def _monosemanticity_table(passes: dict[str, _Pass], embeddings: NDArray[np.float32]) -> pd.DataFrame:
    """One row per direction: kind, direction, score (missing where no pair of images has it), score_of_all_pairs."""
    parts = [
        pd.DataFrame({"kind": kind, "direction": np.arange(len(one.monosemanticity)), "score": one.monosemanticity})
        for kind, one in passes.items()
    ]
    return pd.concat(parts, ignore_index=True).assign(score_of_all_pairs=mean_similarity(embeddings))


def _maps_on_masks(
    latents: Directions,
    tokens: TokenSource,
    truth: RenderedTruth,
    labels: pd.DataFrame,
    held_out: BoolArray,
    attributes: Sequence[str],
    found: _Pass,
    config: ScoringConfig,
) -> pd.DataFrame:
    """Maps on held-out images with the attribute: of the latent that tells it by image, and of the best by patch."""
    chosen = []
    for listed in CELL_ATTRIBUTES:
        if listed.name in attributes and found.part_best is not None:
            by_image = found.best[list(attributes).index(listed.name)].direction
            by_patch = int(found.part_best[truth.parts.index(listed.mask)])
            chosen += [(listed, "image", by_image), (listed, "patch", by_patch)]
    rows = []
    used, of_chosen = np.unique([latent for _, _, latent in chosen], return_inverse=True)
    maps = maps_of(latents.take(used.astype(np.int64)), tokens, held_out) if chosen else np.empty((0, 0, 0, 0))
    for (listed, chosen_by, latent), column in zip(chosen, of_chosen, strict=True):
        has_it = labels[listed.name].to_numpy(dtype=bool)
        coverage = truth.coverage[held_out & has_it, truth.parts.index(listed.mask)]
        if usable_images(coverage).sum() >= 2:
            scores = localisation(
                maps[has_it[held_out], column], coverage, seed=config.seed, n_shuffles=config.n_shuffles
            )
            rows.append(localisation_row(listed.name, listed.mask, chosen_by, latent, scores))
    return pd.concat(rows, ignore_index=True) if rows else pd.DataFrame()
