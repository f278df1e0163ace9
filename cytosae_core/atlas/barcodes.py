"""Barcodes: how many tokens of each patient activate each latent, with the number of images to divide by.

`method.patient_barcode` divides one by the other. Counts and denominators are kept apart, so that parts of a cohort add
up and nothing is divided by the wrong number.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from cytosae_core.atlas import tables
from cytosae_core.atlas.manifest import BarcodeInfo
from cytosae_core.errors import ArtifactError
from cytosae_core.method import patient_barcode

TOKENS = ("patches", "patches+cls")
"""Which tokens of an image were counted."""


@dataclass(frozen=True)
class Barcodes:
    """Counts of activating tokens by group, one group per patient."""

    dataset: str
    counts: npt.NDArray[np.integer]
    """(n_groups, n_latents): tokens whose activation is above `tau`, summed over the group's images."""
    groups: pd.DataFrame
    """One row per group, in the order of `counts`: patient, diagnosis, n_images."""
    tokens: str
    """"patches" or "patches+cls"."""
    tau: float

    def per_image(self) -> npt.NDArray[np.float64]:
        """The patients' barcodes a_p (n_groups, n_latents): activating tokens per image."""
        return patient_barcode(self.counts, self.groups["n_images"].to_numpy())


def check(barcodes: Barcodes, n_latents: int) -> None:
    """Raise ArtifactError unless counts, groups and settings fit each other and the SAE."""
    counts, groups = barcodes.counts, barcodes.groups
    if barcodes.tokens not in TOKENS:
        raise ArtifactError(f"barcodes count {barcodes.tokens!r}; it must be one of {list(TOKENS)}")
    if not np.issubdtype(counts.dtype, np.integer):
        raise ArtifactError(f"barcode counts have type {counts.dtype}; counts are integers: do not divide them")
    if counts.shape != (len(groups), n_latents):
        raise ArtifactError(
            f"barcode counts have shape {counts.shape}, {len(groups)} groups and {n_latents} latents demand "
            f"({len(groups)}, {n_latents}); make them anew"
        )
    _check_groups(groups)


def _check_groups(groups: pd.DataFrame) -> None:
    empty = groups.loc[groups["n_images"] < 1]
    if len(empty):
        raise ArtifactError(f"patient {empty['patient'].iloc[0]!r} has no images; leave patients without images out")
    repeated = groups.loc[groups["patient"].duplicated()]
    if len(repeated):
        raise ArtifactError(f"patient {repeated['patient'].iloc[0]!r} has two barcodes; add their counts and images")


def write_barcodes(folder: Path, barcodes: Barcodes) -> BarcodeInfo:
    """Write counts and groups into the atlas folder; returns what the manifest says of them."""
    (folder / tables.COUNTS_NAME).parent.mkdir(exist_ok=True)
    np.save(folder / tables.COUNTS_NAME, barcodes.counts, allow_pickle=False)
    groups = pa.Table.from_pandas(
        barcodes.groups[tables.GROUPS.names], schema=tables.GROUPS, preserve_index=False
    ).replace_schema_metadata()
    tables.write_table(folder / tables.GROUPS_NAME, groups)
    return BarcodeInfo(barcodes.dataset, barcodes.tokens, barcodes.tau)


def read_barcodes(folder: Path, info: BarcodeInfo, n_latents: int) -> Barcodes:
    """The barcodes of an atlas; counts stay on disk until they are used. Raises ArtifactError when they do not fit."""
    counts = tables.read_array(folder / tables.COUNTS_NAME)
    groups = tables.read_table(folder / tables.GROUPS_NAME, tables.GROUPS).to_pandas()
    barcodes = Barcodes(info.dataset, counts, groups, info.tokens, info.tau)
    check(barcodes, n_latents)
    return barcodes
