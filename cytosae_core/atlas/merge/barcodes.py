"""Barcodes of several atlases as one: patients' counts and own strongest images, and the barcodes of single images."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from cytosae_core.atlas import optional_files, tables
from cytosae_core.atlas.atlas import LatentAtlas
from cytosae_core.atlas.barcodes import Barcodes
from cytosae_core.atlas.build.references import Integers, strongest
from cytosae_core.atlas.merge.datasets import Carried, refuse_shared
from cytosae_core.errors import ConfigError

_LATENTS_AT_ONCE = 256
_IMAGES_AT_ONCE = 256


def merged_barcodes(atlases: Sequence[LatentAtlas]) -> Barcodes | None:
    """All patients, those of several parts added up; ConfigError for barcodes of different data sets."""
    present = [one for atlas in atlases if (one := atlas.barcodes()) is not None]
    if not present:
        return None
    names = sorted({one.dataset for one in present})
    if len(names) > 1:
        raise ConfigError(f"the atlases have barcodes of {names}, and an atlas has those of one data set; merge fewer")
    _refuse_uncounted(atlases, names[0])
    groups = pd.concat([one.groups for one in present], ignore_index=True)
    kinds = groups[["patient", "diagnosis"]].drop_duplicates()  # a missing diagnosis is one of its own, as in a build
    twice = kinds.loc[kinds["patient"].duplicated(), "patient"]
    if len(twice):
        raise ConfigError(f"patient {twice.iloc[0]!r} has two diagnoses; correct one part")
    table = groups.groupby("patient", sort=True).agg(diagnosis=("diagnosis", "first"), n_images=("n_images", "sum"))
    counts = np.zeros((len(table), present[0].counts.shape[1]), np.int32)
    np.add.at(
        counts, table.index.get_indexer(pd.Index(groups["patient"])), np.concatenate([one.counts for one in present])
    )
    patients = table.reset_index()[["patient", "diagnosis", "n_images"]]
    return Barcodes(names[0], counts, patients, present[0].tokens, present[0].tau)


def _refuse_uncounted(atlases: Sequence[LatentAtlas], dataset: str) -> None:
    """A part in which no patient has a diagnosis has no barcodes, and its patients would be missing in the whole."""
    for atlas in atlases:
        labels = {info.name: info.label_kind for info in atlas.datasets}
        if atlas.manifest.barcodes is None and labels.get(dataset) == "patient":
            raise ConfigError(
                f"{atlas.path} has patients of {dataset!r} and no barcodes: none has a diagnosis there; divide the "
                "images so that every part has a patient with a diagnosis"
            )


def carry_patient_references(folder: Path, atlases: Sequence[LatentAtlas], k: int) -> Carried:
    """Write each patient's `k` strongest images; left out where an atlas has barcodes and not these.

    Raises ConfigError for an image that is in two atlases.
    """
    name = tables.PATIENT_REFERENCES_NAME
    with_patients = [atlas for atlas in atlases if atlas.manifest.barcodes is not None]
    without = [atlas.atlas_id for atlas in with_patients if name not in atlas.manifest.files]
    if len(without) == len(with_patients):
        return Carried()
    if without:
        return Carried(left_out={name: f"{', '.join(without)} with barcodes of patients lacks it; build it anew"})
    n_latents = atlases[0].n_latents
    steps = (range(at, min(at + _LATENTS_AT_ONCE, n_latents)) for at in range(0, n_latents, _LATENTS_AT_ONCE))
    return Carried((optional_files.write_patient_references(folder, (_top(with_patients, step, k) for step in steps)),))


def _top(atlases: Sequence[LatentAtlas], latents: range, k: int) -> pd.DataFrame:
    """The patients' strongest images for these latents, by latent, patient and rank."""
    found = [optional_files.read_patient_references(atlas.path, latents) for atlas in atlases]
    rows = pd.concat(found, ignore_index=True)
    refuse_shared([frame["image_id"] for frame in found])
    patients, images = (_order(rows[column]) for column in ("patient", "image_id"))
    keys = rows["latent"].to_numpy(np.int64) * (int(patients.max(initial=0)) + 1) + patients
    positions, ranks = strongest(keys, rows["activation"].to_numpy(), images, k)
    top: pd.DataFrame = rows.iloc[positions].assign(rank=ranks.astype(np.int16))
    return top


def _order(names: "pd.Series[str]") -> Integers:
    """(n,) position of each name among all, sorted."""
    codes, _ = pd.factorize(names.to_numpy(dtype=object), sort=True)
    return codes.astype(np.int64)


def carry_image_barcodes(folder: Path, atlases: Sequence[LatentAtlas]) -> Carried:
    """Write the barcodes of all images, a few hundred at a time; left out where an atlas lacks them.

    An image that is not in the file has no token above tau: with some images unknown, it would say what is not true.
    Raises ConfigError for an image that is in two atlases.
    """
    name = tables.IMAGE_BARCODES_NAME
    without = [atlas.atlas_id for atlas in atlases if name not in atlas.manifest.files]
    if len(without) == len(atlases):
        return Carried()
    if without:
        return Carried(left_out={name: f"{', '.join(without)} lacks it; build it with image_barcodes"})
    return Carried((optional_files.write_image_barcodes(folder, _sorted_barcodes(atlases)),))


def _sorted_barcodes(atlases: Sequence[LatentAtlas]) -> Iterator[pa.Table]:
    """All images in the order of their ids; only those atlases are read that have one of the next few hundred."""
    frames = [_image_ids(atlas_index, atlas) for atlas_index, atlas in enumerate(atlases)]
    refuse_shared([frame["image_id"] for frame in frames])
    ids = pd.concat(frames, ignore_index=True)
    ids = ids.iloc[pc.sort_indices(pa.array(ids["image_id"])).to_numpy()]
    for start in range(0, len(ids), _IMAGES_AT_ONCE):
        step = ids.iloc[start : start + _IMAGES_AT_ONCE]
        first, last = step["image_id"].iloc[0], step["image_id"].iloc[-1]
        found = [
            optional_files.read_image_barcodes(atlases[atlas_index].path, first, last)
            for atlas_index in step["atlas_index"].unique()
        ]
        yield pa.concat_tables(found).sort_by("image_id")


def _image_ids(atlas_index: int, atlas: LatentAtlas) -> pd.DataFrame:
    ids = tables.read_table(atlas.path / tables.IMAGE_BARCODES_NAME, tables.IMAGE_BARCODES, columns=["image_id"])
    frame: pd.DataFrame = ids.to_pandas().assign(atlas_index=atlas_index)
    return frame
