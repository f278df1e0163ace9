"""The last step of a build: from what all parts found to a published folder."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from cytosae_core.artifacts.folders import workspace
from cytosae_core.artifacts.manifest import digest_of
from cytosae_core.atlas import maps as map_files
from cytosae_core.atlas import optional_files
from cytosae_core.atlas import pictures as display
from cytosae_core.atlas.build.collect import Collected
from cytosae_core.atlas.build.parts import ImageBarcodes, read_part
from cytosae_core.atlas.build.plan import BuildPlan, Piece
from cytosae_core.atlas.build.second_pass import read_arrays
from cytosae_core.atlas.definitions import pictures_of
from cytosae_core.atlas.manifest import Manifest, Skipped
from cytosae_core.atlas.writer import AtlasContents, AtlasPart, fill
from cytosae_core.errors import ArtifactError
from cytosae_core.geometry import grid_of
from cytosae_core.images.walk import find_files
from cytosae_core.progress import Progress, no_progress


def finish(
    plan: BuildPlan, collected: Sequence[Collected], marked: npt.NDArray[np.bool_], progress: Progress = no_progress
) -> Manifest:
    """Make the pictures, write all tables and arrays, and publish; returns the manifest."""
    images, without = _picture_files(plan, collected, marked)
    _check_missing(plan, without)
    key = f"{display.resume_key(images, plan.config.max_side)}-{digest_of(plan.to_document())}"
    with workspace(plan.out, key) as folder:
        made, failed = display.make_pictures(
            images, folder, max_side=plan.config.max_side, n_workers=plan.config.n_workers, progress=progress
        )
        without |= {one.image_id: one.reason for one in failed}
        _check_missing(plan, without)
        display.forget_journal(folder)
        contents = _contents(plan, collected, folder)
        skipped = {one for of_dataset in collected for one in of_dataset.skipped}
        skipped |= {Skipped(image_id, reason) for image_id, reason in without.items()}
        return fill(
            folder,
            replace(
                contents,
                parts=[replace(part, info=display.with_scale(part.info, made)) for part in contents.parts],
                pictures=display.as_frame(made),
                picture_suffix=display.SUFFIX,
                skipped=tuple(sorted(skipped, key=lambda one: (one.image_id, one.reason))),
            ),
        )


def _picture_files(
    plan: BuildPlan, collected: Sequence[Collected], marked: npt.NDArray[np.bool_]
) -> tuple[dict[str, Path], dict[str, str]]:
    images: dict[str, Path] = {}
    without: dict[str, str] = {}
    for one, given in zip(collected, plan.datasets, strict=True):
        if given.root is None:
            continue
        latents, _, rows, _ = one.top.entries()
        wanted = one.source.index["image_id"].iloc[np.unique(rows[marked[latents]])]
        found, missing = find_files(given.name, given.root, wanted.tolist())
        images |= found
        without |= missing
    return images, without


def _check_missing(plan: BuildPlan, without: Mapping[str, str]) -> None:
    limit = plan.config.max_missing
    if limit is not None and len(without) > limit:
        image_id, reason = min(without.items())
        raise ArtifactError(
            f"{len(without):,} reference images cannot be shown, more than the limit of {limit:,} (first: {image_id}: "
            f"{reason}); repair the folder, or raise max_missing"
        )


def _contents(plan: BuildPlan, collected: Sequence[Collected], folder: Path) -> AtlasContents:
    """All but the pictures; large arrays are filled in the folder."""
    map_values, first_maps, more = _second_look_files(plan, collected, folder)
    barcodes = next((one.barcodes for one in collected if one.barcodes is not None), None)
    return AtlasContents(
        sae_id=plan.checkpoint.sae_id,
        n_latents=plan.checkpoint.d_sae,
        parts=list(_parts(plan, collected, first_maps)),
        map_values=map_values,
        barcodes=barcodes,
        image_activation=plan.config.definitions.image_activation,
        config=_config(plan),
        more_files=(
            optional_files.write_sums(folder, [one.statistics.sums for one in collected]),
            *more,
            *_patient_files(plan, collected, folder),
        ),
    )


def _parts(plan: BuildPlan, collected: Sequence[Collected], first_maps: Sequence[int | None]) -> Iterator[AtlasPart]:
    for one, given, first_map in zip(collected, plan.datasets, first_maps, strict=True):
        yield one.as_part(simulated=given.simulated, um_per_px=given.um_per_px, first_map=first_map)


def _config(plan: BuildPlan) -> dict[str, Any]:
    document = plan.to_document()
    parts_only = ("format", "sae_id", "n_latents", "part_images", "n_images")
    kept = {key: value for key, value in document.items() if key not in parts_only}
    return {
        "made_by": "build_atlas",
        "sae_id_from": "weights",
        "pictures_of": pictures_of(all_latents=plan.config.all_pictures),
        **kept,
    }


def _patient_files(plan: BuildPlan, collected: Sequence[Collected], folder: Path) -> list[str]:
    names = [
        optional_files.write_patient_references(folder, [one.patient_references])
        for one in collected
        if one.patient_references is not None
    ]
    if plan.config.image_barcodes:
        ids = np.concatenate([one.source.index["image_id"].to_numpy(dtype=object) for one in collected])
        tables = (optional_files.image_barcodes(ids, *entries) for entries in _image_barcodes(plan, collected))
        names.append(optional_files.write_image_barcodes(folder, tables))
    return names


def _image_barcodes(plan: BuildPlan, collected: Sequence[Collected]) -> Iterator[ImageBarcodes]:
    """Of all images in the order of their ids, which begin with the data set's name and `/`."""
    starts = np.cumsum([0] + [one.source.shape[0] for one in collected])
    for piece in sorted(plan.pieces(), key=lambda piece: f"{plan.names[piece.dataset_index]}/"):
        found = read_part(plan.folder, piece.name).barcodes
        if found is not None and len(found.row):
            yield ImageBarcodes(found.row + starts[piece.dataset_index], found.latent, found.n_above)


def _second_look_files(
    plan: BuildPlan, collected: Sequence[Collected], folder: Path
) -> tuple[npt.NDArray[np.float16] | None, list[int | None], tuple[str, ...]]:
    """Maps, the first map of each data set, and the names of the other files."""
    counts = [len(one.top.entries()[0]) for one in collected]
    starts = np.cumsum([0, *counts])
    pieces = plan.pieces("-second") if plan.config.maps or plan.config.n_patch_latents else []
    maps = _maps(plan, pieces, starts, folder) if plan.config.maps else None
    more = _patches(plan, pieces, collected, folder) if plan.config.n_patch_latents else ()
    firsts = [None if maps is None else int(start) for start in starts[:-1]]
    return maps, firsts, more


def _maps(
    plan: BuildPlan, pieces: Sequence[Piece], starts: npt.NDArray[np.int64], folder: Path
) -> npt.NDArray[np.float16] | None:
    maps: npt.NDArray[np.float16] | None = None
    for piece in pieces:
        found = read_arrays(plan.folder, piece.name)
        if "maps" not in found:
            continue
        grid = grid_of(found["maps"].shape[1] + 1)
        if maps is None:
            maps = map_files.new_maps(folder, int(starts[-1]), grid)
        maps[starts[piece.dataset_index] + found["map_places"]] = found["maps"].reshape(-1, grid, grid)
    return maps


def _patches(plan: BuildPlan, pieces: Sequence[Piece], collected: Sequence[Collected], folder: Path) -> tuple[str, ...]:
    found = [(piece, read_arrays(plan.folder, piece.name).get("patch_rows")) for piece in pieces]
    explained = [(piece, rows) for piece, rows in found if rows is not None]
    if not explained:
        return ()
    all_ids = [one.source.index["image_id"] for one in collected]
    ids = [str(all_ids[piece.dataset_index].iat[row]) for piece, rows in explained for row in rows]
    writer: optional_files.PatchWriter | None = None
    start = 0
    for piece, rows in explained:
        arrays = read_arrays(plan.folder, piece.name)
        if writer is None:
            writer = optional_files.PatchWriter(folder, ids, *arrays["patch_latents"].shape[1:])
        writer.put(np.arange(start, start + len(rows)), arrays["patch_latents"], arrays["patch_values"])
        start += len(rows)
    return () if writer is None else writer.close()
