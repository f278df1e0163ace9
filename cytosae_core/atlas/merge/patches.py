"""The strongest latents of patches in an atlas of several: only lists that a build of the whole would have stored.

A list leaves out noise, and what is noise depends on all images of a data set. Where the whole leaves out more than the
part did, the rest of a list is right if it is long enough, or if all that is active was in it. Where the whole leaves
out less, a latent may be missing that nobody can put back: the list is right only if it is surely not active there.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from cytosae_core import method
from cytosae_core.atlas import tables
from cytosae_core.atlas.merge.datasets import Carried, DatasetPart
from cytosae_core.atlas.merge.rule import PatchRule
from cytosae_core.atlas.noise import NoiseFilter
from cytosae_core.atlas.optional_files import PatchLatents, PatchWriter
from cytosae_core.atlas.writer import AtlasPart
from cytosae_core.errors import ConfigError

LEFT_OUT = "patches"
"""What is missing is told under this name."""
_IMAGES_AT_ONCE = 256

Bools = npt.NDArray[np.bool_]
Lists = tuple[npt.NDArray[np.int32], npt.NDArray[np.float16]]


def carry_patches(
    folder: Path, groups: Sequence[Sequence[DatasetPart]], merged: Sequence[AtlasPart], rule: PatchRule
) -> Carried:
    """Write the lists that are those of the whole, and count those that are not; references name their atlas.

    Raises ConfigError for images of different numbers of patches, ArtifactError where an atlas is damaged.
    """
    if not rule.n:
        return Carried()
    if rule.noise is None:
        return Carried(left_out={LEFT_OUT: "the atlases take noise from different data sets, or with different limits"})
    means = {
        part.info.name: method.mean_activation(part.statistics["sum_activation"], part.statistics["n_active"])
        for part in merged
    }
    keep = rule.noise.keep(means[str(rule.noise.dataset)])
    marked = method.of_interest(np.stack(list(means.values())), all_latents=rule.all_pictures)
    wanted = pd.concat([_wanted(part.references, marked) for part in merged], ignore_index=True)
    sources = [
        _Source.of(part, noise, wanted, keep)
        for group in groups
        for part in group
        if tables.PATCH_LATENTS_NAME in part.atlas.manifest.files
        if (noise := NoiseFilter.of_config(part.atlas.manifest.config)) is not None
    ]
    is_exact = np.zeros(len(wanted), dtype=bool)
    for source in sources:
        for rows, _, is_whole in source.read(rule.n):
            is_exact[rows] = is_whole
    names = _write(folder, wanted["image_id"].to_numpy(dtype=object), sources, is_exact, rule.n)
    return Carried(names, _told(len(wanted), sum(len(source.rows) for source in sources), int(is_exact.sum())))


def _wanted(references: pd.DataFrame, marked: Bools) -> pd.DataFrame:
    """image_id, dataset, atlas of the images whose patches a build of the whole would keep, in its order."""
    rows = references.loc[marked[references["latent"].to_numpy()], ["image_id", "dataset", "atlas"]]
    images: pd.DataFrame = rows.drop_duplicates("image_id").sort_values("image_id")
    return images


@dataclass(frozen=True)
class _Source:
    """The lists of one part that are wanted."""

    lists: PatchLatents
    rows: npt.NDArray[np.int64]
    """(n_images,) rows of the wanted images of which the part has lists."""
    positions: npt.NDArray[np.int64]
    """(n_images,) where these are in the file."""
    dropped: Bools
    """(n_latents,) latents that the whole leaves out and the part does not."""
    is_sure: Bools
    """(n_images,) whether no latent that only the part left out is active in the image."""

    @classmethod
    def of(cls, part: DatasetPart, noise: NoiseFilter, wanted: pd.DataFrame, keep: Bools) -> "_Source":
        """What a part, made with `noise`, has of the wanted images; the whole keeps the latents `keep` (n_latents,)."""
        lists = PatchLatents(part.atlas.path)
        own = np.flatnonzero((wanted["atlas"] == part.atlas.atlas_id) & (wanted["dataset"] == part.info.name))
        positions = lists.positions(wanted["image_id"].iloc[own].tolist())
        rows = own[positions >= 0]
        kept = noise.keep(part.atlas.statistics(str(noise.dataset))["mean_activation"].to_numpy())
        is_sure = ~_may_be_active(part, keep & ~kept, wanted["image_id"].iloc[rows])
        return cls(lists, rows, positions[positions >= 0], kept & ~keep, is_sure)

    def read(self, n: int) -> Iterator[tuple[npt.NDArray[np.int64], Lists, Bools]]:
        """Rows of wanted images, a few hundred at a time, their lists of `n`, and whether those are the whole's."""
        for start in range(0, len(self.rows), _IMAGES_AT_ONCE):
            part = slice(start, start + _IMAGES_AT_ONCE)
            lists, is_whole = _without(self.lists.at(self.positions[part]), self.dropped, n)
            yield self.rows[part], lists, is_whole & self.is_sure[part]


def _may_be_active(part: DatasetPart, latents: Bools, image_ids: "pd.Series[str]") -> Bools:
    """(n_images,) whether one of these latents (n_latents,) may be active at a patch, as far as the references tell.

    A latent with fewer active images than it may have references names all of them.
    """
    definitions = part.atlas.manifest.config["definitions"]
    n_active = part.atlas.statistics(part.info.name)["n_active"].to_numpy()[latents]
    counts_only = definitions["activation"] == "count" and definitions["tau"] > 0  # not counted is not inactive
    if len(n_active) and (counts_only or n_active.max() > definitions["n_references"]):
        return np.ones(len(image_ids), dtype=bool)
    named = part.references.loc[latents[part.references["latent"].to_numpy()], "image_id"]
    return np.asarray(image_ids.isin(named), dtype=bool)


def _without(lists: Lists, dropped: Bools, n: int) -> tuple[Lists, Bools]:
    """The `n` strongest of what is left of lists (n_images, n_patches, at least n) without the dropped latents.

    Beside them, (n_images,), whether they surely are: nothing behind a list's end could have moved up.
    """
    latents, values = lists
    gone = (latents >= 0) & dropped[latents]
    order = np.argsort(gone, axis=2, kind="stable")[..., :n]
    left = np.take_along_axis(np.where(gone, np.int32(-1), latents), order, axis=2)
    left_values = np.take_along_axis(np.where(gone, np.float16(0), values), order, axis=2)
    had_all = latents[..., -1] < 0
    is_whole: Bools = np.all(had_all | (left[..., -1] >= 0), axis=1)
    return (left, left_values), is_whole


def _write(
    folder: Path, image_ids: npt.NDArray[np.object_], sources: Sequence[_Source], is_exact: Bools, n: int
) -> tuple[str, ...]:
    if not is_exact.any():
        return ()
    n_patches = sorted({source.lists.shape[0] for source in sources})
    if len(n_patches) > 1:
        raise ConfigError(f"the atlases have images of {n_patches} patches; merge only what was made alike")
    positions = np.cumsum(is_exact) - 1
    writer = PatchWriter(folder, image_ids[is_exact].tolist(), n_patches[0], n)
    for source in sources:
        for rows, (latents, values), _ in source.read(n):
            exact = is_exact[rows]
            writer.put(positions[rows[exact]], latents[exact], values[exact])
    return writer.close()


def _told(n_wanted: int, n_known: int, n_exact: int) -> dict[str, str]:
    if n_exact == n_wanted:
        return {}
    return {
        LEFT_OUT: f"of {n_wanted:,} reference images, {n_exact:,} have the latents of their patches; "
        f"{n_wanted - n_known:,} have none in their atlas, and the lists of {n_known - n_exact:,} are not those of the "
        "whole, which takes other latents for noise; build the whole at once to have all"
    }
