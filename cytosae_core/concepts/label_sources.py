"""Known attributes of the images of a token store: what was rendered, what experts said, what class they are in."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cytosae_core.concepts.rendered_labels import RenderedTruth, attribute_labels, read_rendered_truth
from cytosae_core.concepts.scoring import one_vs_rest
from cytosae_core.errors import AnalysisError
from cytosae_core.progress import Progress, no_progress

WBCATT_ATTRIBUTES = (
    "cell_size", "cell_shape", "nucleus_shape", "nuclear_cytoplasmic_ratio", "chromatin_density", "cytoplasm_vacuole",
    "cytoplasm_texture", "cytoplasm_colour", "granule_type", "granule_colour", "granularity",
)  # fmt: skip
"""The 11 attributes of WBCAtt (Tsutsui et al. 2023)."""


class KnownLabels(NamedTuple):
    """Labels of some of the images."""

    rows: NDArray[np.bool_]
    """(n_images,) which images of the index are labelled."""
    labels: pd.DataFrame
    """One row per labelled image, in the order of the index; one column of bool per attribute."""
    truth: RenderedTruth | None = None
    """Masks, where the images were rendered."""


def rendered_labels(index: pd.DataFrame, folder: Path, progress: Progress = no_progress) -> KnownLabels:
    """The committed attributes, and the cell type, of images rendered into `folder`; all images must be among them."""
    truth = read_rendered_truth(folder, index["relative_path"], progress)
    listed = attribute_labels(truth.attributes)
    types = one_vs_rest(truth.attributes[["cell_type"]])
    return KnownLabels(np.ones(len(index), bool), pd.concat([listed, types], axis=1), truth)


def wbcatt_labels(index: pd.DataFrame, csv: Path) -> KnownLabels:
    """Each value of WBCAtt's attributes, of the images that `csv` lists by name.

    Score on the val split only with a model that was never trained on these attributes. Raises AnalysisError where the
    file is no table of WBCAtt, and where it names an image twice.
    """
    try:
        table = pd.read_csv(csv, dtype="str", keep_default_na=False)
    except (OSError, ValueError) as error:
        raise AnalysisError(f"{csv} cannot be read ({error}); give pbc_attr_v1_val.csv of WBCAtt") from error
    missing = [name for name in ("img_name", *WBCATT_ATTRIBUTES) if name not in table]
    if missing:
        raise AnalysisError(f"{csv} has no column {missing[0]!r}; give pbc_attr_v1_val.csv of WBCAtt")
    if table["img_name"].duplicated().any():
        twice = table.loc[table["img_name"].duplicated(), "img_name"].iloc[0]
        raise AnalysisError(f"{csv} names {twice!r} twice; keep the row that is right")
    names = index["relative_path"].str.rsplit("/", n=1).str[-1]
    rows = names.isin(table["img_name"]).to_numpy(dtype=bool)
    if not rows.any():
        raise AnalysisError(f"no image of the token store is in {csv}; extract the tokens of the Acevedo images")
    own = table.set_index("img_name")[list(WBCATT_ATTRIBUTES)].loc[list(names[rows])].reset_index(drop=True)
    return KnownLabels(rows, one_vs_rest(own))


def class_labels(index: pd.DataFrame) -> KnownLabels:
    """The class of every image that has one, as columns `label = <class>`; AnalysisError where none has."""
    rows = index["label"].notna().to_numpy(dtype=bool)
    if not rows.any():
        raise AnalysisError("no image of the token store has a class; extract a labelled data set, or give attributes")
    return KnownLabels(rows, one_vs_rest(index.loc[rows, ["label"]].reset_index(drop=True)))


def leave_out(known: KnownLabels, index: pd.DataFrame, listed: Path) -> KnownLabels:
    """Without the images whose relative path is a line of the text file `listed`: those that may not be scored on.

    Raises AnalysisError where the file cannot be read, and where no image is left.
    """
    try:
        names = {line.strip() for line in listed.read_text(encoding="utf-8").splitlines()} - {""}
    except (OSError, ValueError) as error:
        raise AnalysisError(f"{listed} cannot be read ({error}); give a text file with one path per line") from error
    kept = ~index["relative_path"].isin(names).to_numpy(dtype=bool)
    within = kept[known.rows]
    if not within.any():
        raise AnalysisError("no image of the token store is among those to be scored; extract tokens of the same set")
    truth = known.truth
    if truth is not None:
        truth = RenderedTruth(truth.attributes[within].reset_index(drop=True), truth.coverage[within], truth.parts)
    return KnownLabels(known.rows & kept, known.labels[within].reset_index(drop=True), truth)


def find_labels(
    index: pd.DataFrame,
    rendered: Path | None = None,
    wbcatt: Path | None = None,
    listed: Path | None = None,
    progress: Progress = no_progress,
) -> KnownLabels:
    """What `rendered` holds, or what `wbcatt` says, or the classes; without the images in the text file `listed`.

    Raises AnalysisError where both `rendered` and `wbcatt` are given.
    """
    if rendered is not None and wbcatt is not None:
        raise AnalysisError(f"{rendered} and {wbcatt} cannot be scored at once; run the command once for each")
    if rendered is not None:
        known = rendered_labels(index, rendered, progress)
    else:
        known = class_labels(index) if wbcatt is None else wbcatt_labels(index, wbcatt)
    return known if listed is None else leave_out(known, index, listed)
