"""Checks of the published tables: within one data set, against the list of images, between data sets.

Each failing check raises ReleaseError and names the first latent that contradicts. They are pure functions of arrays.
"""

import itertools
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from cytosae_core.atlas.release.model import Floats, Integers, ReleaseTables
from cytosae_core.errors import ReleaseError

MAX_ENTROPY_DIFFERENCE = 1e-4
"""Nats. The published tables differ by less than 5e-7."""
MIN_SHARED_TOP = 0.5
"""Two data sets share at least this part of their strongest latents, or they belong to two SAEs. The ten pairs of
published tables share 0.964 to 0.981; two SAEs, whose latents have no common order, share 0.08."""
TOP_SHARE = 0.08
"""Part of the latents that counts as strongest, by mean activation."""
_FEW_LATENTS = 400
"""Below this, the strongest latents are too few to tell one SAE from two."""
_RELATIVE = 1e-4
_MAX_DIVISOR = 2000


def check_values(tables: ReleaseTables) -> None:
    """Raise ReleaseError unless every value can be true by itself and agrees with the other tables."""
    values, filled = tables.values, tables.is_filled
    _refuse(tables, ~np.isfinite(values) | (values < 0), "an activation of a reference image is not finite or negative")
    _refuse(tables, np.diff(values, axis=1) > 0, "the activations of the reference images rise")
    frequency = tables.frequency
    _refuse(tables, ~((frequency >= 0) & (frequency <= 1)), "the activated frequency is not between 0 and 1")
    _refuse(tables, filled & (tables.labels < 0), "a label is negative")
    means = tables.mean_activation
    _refuse(tables, np.isfinite(means) != (frequency > 0), "mean activation and activated frequency contradict")
    _refuse(tables, filled[:, 0] != (frequency > 0), "reference images and activated frequency contradict")
    with np.errstate(invalid="ignore"):
        _refuse(tables, means > values[:, 0] * (1 + _RELATIVE), "the mean activation is above the largest")
    _check_one_label_each(tables)


def count_active(tables: ReleaseTables, n_images: int, where: str) -> Integers:
    """Images that activate each latent: frequency times n, which is a whole number at the right n only.

    `where` says in the message where `n_images` comes from. Raises ReleaseError otherwise.
    """
    product = tables.frequency.astype(np.float64) * n_images
    counts = np.rint(product).astype(np.int64)
    is_bad = np.abs(product - counts) > _tolerance(product)
    if is_bad.any():
        latent = int(np.argmax(is_bad))
        implied = implied_n_images(tables)
        told = f"the tables were made from {implied:,} images" if implied else "no number of images fits the tables"
        raise ReleaseError(
            f"{tables.dataset}: {where} {n_images:,} images, and activated frequency times that is no whole number "
            f"(first at latent {latent}: {tables.frequency[latent]:.9g} x {n_images} = {product[latent]:.4f}); {told}. "
            "Remove files that were added to the folder, or give the data set's list of files, which also lets images "
            "be missing"
        )
    _check_counts(tables, counts, n_images)
    return counts


def implied_n_images(tables: ReleaseTables) -> int | None:
    """The smallest number of images that the tables can have been made from; None when no number fits."""
    frequency = tables.frequency[tables.frequency > 0].astype(np.float64)
    if not len(frequency):
        return None
    above = int(tables.positions[tables.is_filled].max())
    for divisor in range(1, _MAX_DIVISOR):
        n_images = round(divisor / float(frequency.min()))
        product = frequency * n_images
        if n_images > above and (np.abs(product - np.rint(product)) <= _tolerance(product)).all():
            return n_images
    return None


def check_labels(tables: ReleaseTables, label_at: Integers, name_at: Sequence[str], names: Sequence[str]) -> None:
    """Raise ReleaseError unless every filled slot's label is the label of the image at its position.

    `label_at` (n_images,) and `name_at` describe the list of images in shuffled order; `names` are its labels.
    """
    latents, slots = np.nonzero(tables.is_filled)
    positions, stored = tables.positions[latents, slots], tables.labels[latents, slots]
    is_bad = label_at[positions] != stored
    if is_bad.any():
        first = int(np.argmax(is_bad))
        position, label = positions[first], stored[first]
        told = f"{label} ({names[label]})" if label < len(names) else str(label)
        raise ReleaseError(
            f"{tables.dataset}: this is not the list of images that the tables were made from. Latent "
            f"{latents[first]}, slot {slots[first]}, position {position}: the tables say label {told}, the list has "
            f"{name_at[position]} with label {label_at[position]} ({names[label_at[position]]}) there; "
            f"{int(is_bad.sum()):,} of {len(stored):,} references disagree. Give the complete, unchanged list of files"
        )


def entropy_difference(tables: ReleaseTables, entropy: npt.NDArray[np.float64]) -> float:
    """Largest difference in nats between stored and recomputed entropy; raises ReleaseError when it is too large."""
    if tables.entropy is None:
        return 0.0
    difference = np.where(np.isnan(entropy) & np.isnan(tables.entropy), 0.0, np.abs(entropy - tables.entropy))
    latent = int(np.argmax(difference))  # NaN, where only one of the two is missing, counts as the largest
    if not difference[latent] <= MAX_ENTROPY_DIFFERENCE:
        raise ReleaseError(
            f"{tables.dataset}: latent {latent} has label entropy {tables.entropy[latent]:.6f} in the tables and "
            f"{entropy[latent]:.6f} computed from its reference images; the files do not belong together: "
            "download them again"
        )
    return float(difference[latent])


def check_same_sae(all_tables: Sequence[ReleaseTables], *, allow_different: bool = False) -> float:
    """The smallest share of strongest latents that two of the data sets have in common; 1.0 where nothing compares.

    Latents have no order of their own, so the strongest ones of two SAEs coincide by chance only. Raises ReleaseError
    when the number of latents differs, or the share is below `MIN_SHARED_TOP` and that was not allowed.
    """
    shares = [1.0]
    for one, other in itertools.combinations(all_tables, 2):
        if one.n_latents != other.n_latents:
            raise ReleaseError(
                f"{one.dataset} has {one.n_latents:,} latents and {other.dataset} {other.n_latents:,}: these are "
                "tables of two SAEs; import them into two atlases"
            )
        share = shared_top(one.mean_activation, other.mean_activation)
        if share < MIN_SHARED_TOP and one.n_latents >= _FEW_LATENTS and not allow_different:
            raise ReleaseError(
                f"{one.dataset} and {other.dataset} share {share:.0%} of their strongest latents, and tables of one "
                f"SAE share more than {MIN_SHARED_TOP:.0%}: these look like tables of two SAEs. Import them into two "
                "atlases, or say --allow-different-saes if you know better"
            )
        shares.append(share)
    return min(shares)


def shared_top(one: Floats, other: Floats) -> float:
    """Share of the strongest latents of `one` that are among the strongest of `other`."""
    n_top = max(1, round(TOP_SHARE * len(one)))
    tops = [set(np.argsort(-np.nan_to_num(means), kind="stable")[:n_top].tolist()) for means in (one, other)]
    return len(tops[0] & tops[1]) / n_top


def _check_counts(tables: ReleaseTables, counts: Integers, n_images: int) -> None:
    filled, values = tables.is_filled, tables.values
    k = values.shape[1]
    _refuse(
        tables, filled & (tables.positions >= n_images), f"a position is not below {n_images}, the number of images"
    )
    _refuse(tables, filled.sum(axis=1) != np.minimum(k, counts), "the number of reference images is not min(k, images)")
    all_listed = (counts > 0) & (counts <= k)
    mean = values.sum(axis=1, dtype=np.float64) / np.maximum(counts, 1)
    with np.errstate(invalid="ignore"):
        is_off = np.abs(mean - tables.mean_activation) > _RELATIVE * mean
    _refuse(tables, all_listed & is_off, "the mean activation is not that of its reference images")


def _check_one_label_each(tables: ReleaseTables) -> None:
    """One image has one label and is listed once for a latent, whichever list it comes from."""
    latents, slots = np.nonzero(tables.is_filled)
    positions, labels = tables.positions[latents, slots], tables.labels[latents, slots]
    label_at = np.full(int(positions.max(initial=0)) + 1, -1)
    label_at[positions] = labels
    is_bad = np.zeros(tables.values.shape, dtype=bool)
    is_bad[latents, slots] = label_at[positions] != labels
    _refuse(tables, is_bad, "an image has another label than with another latent")
    ordered = np.sort(np.where(tables.is_filled, tables.positions, -1 - np.arange(tables.values.shape[1])), axis=1)
    _refuse(tables, np.diff(ordered, axis=1) == 0, "an image is a reference image twice")


def _tolerance(product: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Four times what the rounding of the stored float32 can amount to."""
    return 4 * product * 2.0**-24 + 1e-6


def _refuse(tables: ReleaseTables, is_bad: npt.NDArray[np.bool_], why: str) -> None:
    """Raise for the first latent (and slot) at which `is_bad` (n_latents,) or (n_latents, slots) is true."""
    if is_bad.any():
        where = ", slot ".join(str(index) for index in np.argwhere(is_bad)[0])
        raise ReleaseError(
            f"{tables.dataset}: latent {where}: {why}; the tables are damaged or do not belong together: "
            "download them again"
        )
