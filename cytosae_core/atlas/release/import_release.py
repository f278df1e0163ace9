"""The published tables -> an atlas: what is asked for, and the order in which it is done."""

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from cytosae_core import method
from cytosae_core.artifacts.folders import refuse_existing, workspace
from cytosae_core.atlas import pictures as display
from cytosae_core.atlas.barcodes import Barcodes
from cytosae_core.atlas.definitions import pictures_of
from cytosae_core.atlas.manifest import Manifest, Skipped
from cytosae_core.atlas.release import barcodes as release_barcodes
from cytosae_core.atlas.release import checks as release_checks
from cytosae_core.atlas.release.dataset import PreparedDataset, prepare
from cytosae_core.atlas.release.model import ReleaseTables
from cytosae_core.atlas.release.options import ReleaseImport
from cytosae_core.atlas.release.positions import ImageList, from_file_list, from_folder, published_labels
from cytosae_core.atlas.release.sae import identify
from cytosae_core.atlas.release.tables import find_datasets, read_tables
from cytosae_core.atlas.writer import AtlasContents, fill
from cytosae_core.errors import ConfigError, ReleaseError
from cytosae_core.progress import Progress, no_progress


@dataclass(frozen=True)
class ImportReport:
    """What came of an import."""

    manifest: Manifest
    prepared: Sequence[PreparedDataset]
    smallest_share: float
    """Smallest share of strongest latents that two data sets have in common."""
    barcodes: Barcodes | None = None
    """Those of the patients, where counts were given."""


def import_release(options: ReleaseImport, progress: Progress = no_progress) -> ImportReport:
    """Read and check the tables, make the pictures, and publish the atlas at `options.out`.

    An interrupted import continues where it stopped when it is called again with the same options.
    Raises ReleaseError when tables and images contradict each other, ArtifactError, ConfigError or ImageTableError
    when something given is missing, damaged or in the way; nothing is left at `options.out` then.
    """
    refuse_existing(options.out)
    all_tables = [read_tables(options.tables, dataset) for dataset in _datasets(options)]
    smallest_share = release_checks.check_same_sae(all_tables, allow_different=options.allow_different_saes)
    sae_id, sae_id_from = identify(all_tables, options.checkpoint, options.sae_id)
    prepared = [
        _marked(options, prepare(tables, _image_list(options, tables.dataset), options.classnames))
        for tables in all_tables
    ]
    barcodes = _barcodes(options, prepared)
    contents = AtlasContents(
        sae_id=sae_id,
        n_latents=all_tables[0].n_latents,
        parts=[one.part for one in prepared],
        barcodes=barcodes,
        image_activation="mean over all tokens",
        config={**_config(options, all_tables), "sae_id_from": sae_id_from},
    )
    means = np.stack([tables.mean_activation for tables in all_tables])
    marked = method.of_interest(means, all_latents=options.all_pictures)
    manifest = _publish(options, prepared, contents, marked, progress)
    return ImportReport(manifest, prepared, smallest_share, barcodes)


def _datasets(options: ReleaseImport) -> tuple[str, ...]:
    found = find_datasets(options.tables)
    chosen = options.datasets or found
    for dataset in chosen:
        if dataset not in found:
            raise ReleaseError(f"{options.tables} has no tables of {dataset!r}; it has {list(found)}")
    for name in (*options.images, *options.file_lists):
        if name not in chosen:
            raise ConfigError(f"images or a file list are given for {name!r}, which is not imported: {list(chosen)}")
    for name in options.simulated:
        if name not in chosen:
            raise ConfigError(f"{name!r} is called simulated and is not imported: {list(chosen)}")
    return chosen


def _marked(options: ReleaseImport, one: PreparedDataset) -> PreparedDataset:
    """The data set, called simulated where somebody or the files of its patients say so."""
    name = one.part.info.name
    simulated = name in options.simulated or (name == release_barcodes.DATASET and options.has_simulated_patients)
    return dataclasses.replace(
        one, part=dataclasses.replace(one.part, info=dataclasses.replace(one.part.info, simulated=simulated))
    )


def _image_list(options: ReleaseImport, dataset: str) -> ImageList | None:
    root = options.images.get(dataset)
    if dataset in options.file_lists:
        return from_file_list(dataset, options.file_lists[dataset], root)
    return None if root is None else from_folder(dataset, root)


def _barcodes(options: ReleaseImport, prepared: Sequence[PreparedDataset]) -> Barcodes | None:
    if options.patient_counts is None:
        return None
    hehr = next((one for one in prepared if one.part.info.name == release_barcodes.DATASET), None)
    if hehr is None:
        raise ConfigError("patient counts belong to the data set hehr, which is not imported; name it in --datasets")
    images = hehr.images
    names = images.label_names if images is not None else published_labels("hehr", options.classnames)
    if not names:
        raise ConfigError("the rows of patient counts follow hehr_classnames.txt; give its folder with --classnames")
    if options.patients is not None:
        patients = release_barcodes.read_patients(options.patients, None if images is None else images.patients)
    elif images is not None:
        patients = images.patients
    else:
        raise ConfigError("patient counts have no diagnoses and numbers of images; give --patients or hehr's images")
    n_latents = len(hehr.part.statistics)
    return release_barcodes.read_patient_counts(options.patient_counts, n_latents, names, patients)


def _config(options: ReleaseImport, all_tables: Sequence[ReleaseTables]) -> dict[str, object]:
    return {
        "made_by": "import_release",
        "tables": {tables.dataset: tables.digest for tables in all_tables},
        "pictures_of": pictures_of(all_latents=options.all_pictures),
        "max_side": options.max_side,
        "max_missing": options.max_missing,
        "allow_different_saes": options.allow_different_saes,
    }


def _publish(
    options: ReleaseImport,
    prepared: Sequence[PreparedDataset],
    contents: AtlasContents,
    marked: npt.NDArray[np.bool_],
    progress: Progress,
) -> Manifest:
    images: dict[str, Path] = {}
    without: dict[str, str] = {}
    for one in prepared:
        files, missing = one.picture_files(marked)
        images |= files
        without |= missing
    _check_missing(options, without)
    with workspace(options.out, display.resume_key(images, options.max_side)) as folder:
        made, failed = display.make_pictures(
            images, folder, max_side=options.max_side, n_workers=options.n_workers, progress=progress
        )
        without |= {one.image_id: one.reason for one in failed}
        _check_missing(options, without)
        display.forget_journal(folder)
        return fill(
            folder,
            dataclasses.replace(
                contents,
                parts=[dataclasses.replace(part, info=display.with_scale(part.info, made)) for part in contents.parts],
                pictures=display.as_frame(made),
                picture_suffix=display.SUFFIX,
                skipped=tuple(Skipped(image_id, reason) for image_id, reason in sorted(without.items())),
            ),
        )


def _check_missing(options: ReleaseImport, without: Mapping[str, str]) -> None:
    if options.max_missing is not None and len(without) > options.max_missing:
        image_id, reason = min(without.items())
        raise ReleaseError(
            f"{len(without):,} images cannot be shown, more than the limit of {options.max_missing:,} (first: "
            f"{image_id}: {reason}); repair the folder, or raise --max-missing"
        )
