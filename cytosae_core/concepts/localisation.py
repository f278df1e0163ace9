"""Do maps fall on the part? Patch maps of a latent against masks, next to the same maps laid on other images.

A patch is on the part when at least `MIN_COVER` of it is covered. Parts lie near the middle of the picture, so any map
with its heat in the middle beats an even one: the control is the latent's own maps, dealt to other images that have
the part.
"""

from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import rankdata

from cytosae_core.errors import AnalysisError

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]

MIN_COVER = 0.1
"""Share of a patch that must lie on the part."""


class Fit(NamedTuple):
    """How well maps fall on masks, one value per image (n_images,)."""

    mass_share: FloatArray
    """Share of the map's sum that lies on the part; 0 where the map is zero everywhere."""
    hit: FloatArray
    """1 where the hottest patch is on the part, 0 where not or where the map is zero; ties share."""
    patch_auroc: FloatArray
    """Chance that a patch on the part is hotter than one that is not, ties counted half."""


def fit_of(maps: NDArray[np.floating], on_part: BoolArray) -> Fit:
    """Maps (n, n_patches), none negative, against patches on the part (n, n_patches): some, but not all, of each."""
    wide = np.asarray(maps, dtype=np.float64)
    total = wide.sum(axis=1)
    mass = np.divide((wide * on_part).sum(axis=1), total, out=np.zeros(len(wide)), where=total > 0)
    hottest = wide == wide.max(axis=1, keepdims=True)
    hit = np.where(total > 0, (hottest & on_part).sum(axis=1) / hottest.sum(axis=1), 0.0)
    n_on = on_part.sum(axis=1)
    n_off = on_part.shape[1] - n_on
    sums = (rankdata(wide, axis=1) * on_part).sum(axis=1)
    return Fit(mass, hit, (sums - n_on * (n_on + 1) / 2) / (n_on * n_off))


def usable_images(coverage: NDArray[np.floating]) -> BoolArray:
    """Images, of coverage (n, 16, 16), with at least one patch on the part and one that is not."""
    on_part = coverage.reshape(len(coverage), -1) >= MIN_COVER
    n_on = on_part.sum(axis=1)
    usable: BoolArray = (n_on > 0) & (n_on < on_part.shape[1])
    return usable


def localisation(
    maps: NDArray[np.floating], coverage: NDArray[np.floating], *, seed: int, n_shuffles: int = 199
) -> dict[str, float]:
    """How well the maps (n, 16, 16) of one latent fall on a part with this coverage (n, 16, 16).

    n_images (used: `usable_images`), n_silent (map zero everywhere), area_share (of the part: chance for an even map),
    and mass_share, hit_share, patch_auroc as means over the images, each with `_shuffled`, its mean when maps are dealt
    to other images. p_value is that of mass_share: (1 + deals with as much) / (1 + deals). Raises AnalysisError for
    fewer than two usable images, whose maps cannot be dealt.
    """
    used = usable_images(coverage)
    if used.sum() < 2:
        raise AnalysisError(f"{used.sum()} images have the part on some patch and not on all; at least 2 are needed")
    flat = np.maximum(np.asarray(maps, dtype=np.float64)[used].reshape(int(used.sum()), -1), 0)
    on_part = coverage[used].reshape(len(flat), -1) >= MIN_COVER
    found = _means(fit_of(flat, on_part))
    rng = np.random.default_rng(seed)
    deals = [_means(fit_of(flat[deal(len(flat), rng)], on_part)) for _ in range(n_shuffles)]
    n_as_much = sum(one["mass_share"] >= found["mass_share"] - 1e-12 for one in deals)
    shuffled = {f"{name}_shuffled": float(np.mean([one[name] for one in deals])) for name in found}
    return {
        "n_images": int(used.sum()),
        "n_silent": int((flat.sum(axis=1) == 0).sum()),
        "area_share": float(on_part.mean()),
        **found,
        **shuffled,
        "p_value": (1 + n_as_much) / (1 + n_shuffles),
    }


def deal(n: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """A random order (n,) of 0 ... n - 1 that leaves none in its place: one cycle through all of them."""
    cycle = rng.permutation(n)
    order = np.empty(n, np.int64)
    order[cycle] = np.roll(cycle, 1)
    return order


def localisation_row(attribute: str, part: str, chosen_by: str, latent: int, found: dict[str, float]) -> pd.DataFrame:
    """One row of the table of maps on masks."""
    return pd.DataFrame([{"attribute": attribute, "part": part, "chosen_by": chosen_by, "latent": latent} | found])


def _means(fit: Fit) -> dict[str, float]:
    return {
        "mass_share": float(fit.mass_share.mean()),
        "hit_share": float(fit.hit.mean()),
        "patch_auroc": float(fit.patch_auroc.mean()),
    }
