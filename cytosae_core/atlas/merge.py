"""Atlases of parts of a data set, or of different data sets, as one: the tables of an atlas of the whole, exactly.

Counts, exact sums, references, maps and barcodes are those that one pass over all images would have found. What depends
on the whole cannot be: pictures and patches are those that the parts have, and patches are left out where a data set
was in parts, since another latent may be noise in the whole.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from cytosae_core.atlas import exact_sum, maps, optional_files, tables
from cytosae_core.atlas import files as atlas_files
from cytosae_core.atlas.atlas import LatentAtlas
from cytosae_core.atlas.barcodes import Barcodes
from cytosae_core.atlas.manifest import DatasetInfo, Manifest, Skipped
from cytosae_core.atlas.publish import workspace
from cytosae_core.atlas.references import label_entropy, strongest
from cytosae_core.atlas.writer import AtlasContents, AtlasPart, fill
from cytosae_core.errors import ConfigError


@dataclass(frozen=True)
class _Part:
    """One data set of one atlas."""

    atlas: LatentAtlas
    info: DatasetInfo
    sums: npt.NDArray[np.int64]
    references: pd.DataFrame


def merge_atlases(paths: Sequence[Path], out: Path) -> Manifest:
    """Publish one atlas of all the data sets; one that several atlases have was in parts, and is added up.

    Raises ConfigError when SAE or definitions differ, an image is in two parts, or `out` exists; ArtifactError when an
    atlas is damaged or has no exact sums.
    """
    atlases = [LatentAtlas.open(path) for path in paths]
    _refuse_differences(atlases)
    parts = [part for atlas in atlases for part in _parts(atlas)]
    names = list(dict.fromkeys(part.info.name for part in parts))
    groups = [[part for part in parts if part.info.name == name] for name in names]
    k = int(atlases[0].manifest.config["definitions"]["n_references"])
    with workspace(out) as folder:
        merged = [_merged(group, k) for group in groups]
        map_values = _maps(folder, atlases, merged) if all(atlas.has_maps for atlas in atlases) else None
        contents = AtlasContents(
            sae_id=atlases[0].sae_id,
            n_latents=atlases[0].n_latents,
            parts=[
                _as_part(group, rows, has_maps=map_values is not None)
                for group, rows in zip(groups, merged, strict=True)
            ],
            pictures=_pictures(folder, atlases),
            picture_suffix=atlases[0].manifest.picture_suffix,
            map_values=map_values,
            barcodes=_barcodes([atlas.barcodes() for atlas in atlases]),
            image_activation=atlases[0].manifest.image_activation,
            config={"made_by": "merge_atlases", "of": [atlas.atlas_id for atlas in atlases],
                    "definitions": atlases[0].manifest.config["definitions"]},
            skipped=_skipped(atlases),
            more_files=[optional_files.write_sums(folder, [_sums(group) for group in groups])],
        )  # fmt: skip
        return fill(folder, contents)


def _refuse_differences(atlases: Sequence[LatentAtlas]) -> None:
    if not atlases:
        raise ConfigError("no atlas is given; name at least one")
    for atlas in atlases:
        if tables.SUMS_NAME not in atlas.manifest.files or "definitions" not in atlas.manifest.config:
            raise ConfigError(f"{atlas.path} has no exact sums: it was made from tables; merge atlases that were built")
    for what, found in {
        "SAE": [atlas.sae_id for atlas in atlases],
        "definitions": [atlas.manifest.config["definitions"] for atlas in atlases],
        "kind of pictures": [atlas.manifest.picture_suffix for atlas in atlases],
    }.items():
        if any(value != found[0] for value in found):
            raise ConfigError(f"the atlases differ in {what}: {found}; merge only what was made alike")


def _parts(atlas: LatentAtlas) -> list[_Part]:
    sums = tables.read_array(atlas.path / tables.SUMS_NAME)
    references = tables.read_table(atlas.path / tables.REFERENCES_NAME, tables.REFERENCES).to_pandas()
    references = references.assign(atlas=atlas.atlas_id)
    return [
        _Part(atlas, info, np.array(sums[place]), references[references["dataset"] == info.name])
        for place, info in enumerate(atlas.datasets)
    ]


def _merged(group: Sequence[_Part], k: int) -> pd.DataFrame:
    """References of the whole: sorted by latent and rank, with the atlas that each comes from."""
    rows = pd.concat([part.references for part in group], ignore_index=True)
    twice = rows.loc[rows.duplicated(["latent", "image_id"]), "image_id"]
    if len(twice):
        raise ConfigError(f"image {twice.iloc[0]!r} is in two of the atlases; merge parts that share no image")
    _, orders = np.unique(rows["image_id"].to_numpy(dtype=object).astype(str), return_inverse=True)
    places, ranks = strongest(rows["latent"].to_numpy(np.int64), rows["activation"].to_numpy(), orders, k)
    return rows.iloc[places].assign(rank=ranks.astype(np.int16)).reset_index(drop=True)


def _as_part(group: Sequence[_Part], references: pd.DataFrame, *, has_maps: bool) -> AtlasPart:
    first = group[0].info
    kinds = sorted({part.info.label_kind for part in group})
    if len(kinds) > 1:
        raise ConfigError(
            f"{first.name}: labels are {kinds} in its parts; build all parts with the same lists of images"
        )
    n_latents = group[0].atlas.n_latents
    labels, _ = pd.factorize(references["label"])
    latents, values = references["latent"].to_numpy(np.int64), references["activation"].to_numpy()
    statistics = pd.DataFrame(
        {
            "n_active": np.sum([part.atlas.statistics(first.name)["n_active"] for part in group], axis=0),
            "sum_activation": exact_sum.total(_sums(group)),
            "label_entropy": label_entropy(latents, labels, values, n_latents),
        }
    )
    scales = {part.info.um_per_px for part in group}
    info = replace(
        first,
        n_images=sum(part.info.n_images for part in group),
        simulated=any(part.info.simulated for part in group),
        um_per_px=scales.pop() if len(scales) == 1 else None,
        fingerprint=first.fingerprint if len(group) == 1 else None,
    )
    return AtlasPart(info, statistics, references if has_maps else references.drop(columns="map_index"))


def _sums(group: Sequence[_Part]) -> npt.NDArray[np.int64]:
    total: npt.NDArray[np.int64] = np.sum([part.sums for part in group], axis=0, dtype=np.int64)
    return total


def _maps(
    folder: Path, atlases: Sequence[LatentAtlas], merged: Sequence[pd.DataFrame]
) -> npt.NDArray[np.float16] | None:
    """All maps in the order of the references, which get their new rows; None without references."""
    n_maps = sum(len(rows) for rows in merged)
    arrays = {atlas.atlas_id: tables.read_array(atlas.path / tables.MAPS_NAME) for atlas in atlases}
    values = maps.new_maps(folder, n_maps, next(iter(arrays.values())).shape[1])
    start = 0
    for rows in merged:
        for atlas_id, of_atlas in rows.groupby("atlas"):
            values[start + of_atlas.index.to_numpy()] = arrays[str(atlas_id)][of_atlas["map_index"].to_numpy(np.int64)]
        rows["map_index"] = np.arange(start, start + len(rows))
        start += len(rows)
    return values


def _pictures(folder: Path, atlases: Sequence[LatentAtlas]) -> pd.DataFrame:
    (folder / tables.DISPLAY_NAME).mkdir()
    frames = []
    for atlas in atlases:
        images = (
            tables.read_table(atlas.path / tables.IMAGES_NAME, tables.IMAGES).to_pandas().dropna(subset=["picture"])
        )
        for sha256 in images["picture"].unique():
            source = atlas.picture_path(sha256)
            target = folder / source.relative_to(atlas.path)
            target.parent.mkdir(exist_ok=True)
            target.write_bytes(source.read_bytes())
            atlas_files.check_digest(folder, target.relative_to(folder).as_posix(), sha256)
        frames.append(images)
    columns = ["image_id", "picture", "width", "height", "n_bytes"]
    pictures: pd.DataFrame = pd.concat(frames, ignore_index=True).drop_duplicates("image_id")[columns]
    return pictures


def _barcodes(found: Sequence[Barcodes | None]) -> Barcodes | None:
    """All patients, those of several parts added up; ConfigError for barcodes of different data sets."""
    present = [one for one in found if one is not None]
    if not present:
        return None
    names = sorted({one.dataset for one in present})
    if len(names) > 1:
        raise ConfigError(f"the atlases have barcodes of {names}, and an atlas has those of one data set; merge fewer")
    groups = pd.concat([one.groups for one in present], ignore_index=True)
    table = groups.groupby("patient", sort=True).agg(
        diagnosis=("diagnosis", "first"), n_images=("n_images", "sum"), n_diagnoses=("diagnosis", "nunique")
    )
    if (table["n_diagnoses"] > 1).any():
        raise ConfigError(f"patient {table.index[table['n_diagnoses'] > 1][0]!r} has two diagnoses; correct one part")
    counts = np.zeros((len(table), present[0].counts.shape[1]), np.int32)
    np.add.at(
        counts, table.index.get_indexer(pd.Index(groups["patient"])), np.concatenate([one.counts for one in present])
    )
    patients = table.reset_index()[["patient", "diagnosis", "n_images"]]
    return Barcodes(names[0], counts, patients, present[0].tokens, present[0].tau)


def _skipped(atlases: Sequence[LatentAtlas]) -> tuple[Skipped, ...]:
    found = {one for atlas in atlases for one in atlas.manifest.skipped}
    return tuple(sorted(found, key=lambda one: (one.image_id, one.reason)))
