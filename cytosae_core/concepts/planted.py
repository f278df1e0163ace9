"""Whether differential latents are the cells that the simulation put there. SIMULATED patients only.

Each rendered image has a known cell type, and each group its own mixture of types. A differential latent is explained
when the type that it tells best is more frequent in the group in which the latent is stronger.
"""

from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cytosae_core.concepts.directions import Directions
from cytosae_core.concepts.pooling import pooled_chunks
from cytosae_core.concepts.ranks import auroc_columns
from cytosae_core.concepts.rendered_labels import read_attributes
from cytosae_core.errors import AnalysisError
from cytosae_core.tokens.source import TokenSource

MIN_IMAGES = 5
"""Images of a cell type that are needed for it to be told from the others."""


def cell_type_shares(images: pd.DataFrame) -> pd.DataFrame:
    """Mean share of each cell type (index) among the cells of a patient, for each diagnosis (columns)."""
    counts = pd.crosstab([images["diagnosis"], images["patient"]], images["cell_type"], normalize="index")
    return counts.groupby(level="diagnosis").mean().T


def planted_cells(
    listed: pd.DataFrame, values: NDArray[np.floating], images: pd.DataFrame, group_a: str, group_b: str
) -> pd.DataFrame:
    """The rows of `listed` (latent, direction, ...) with cell_type, auroc_cell_type, share_a, share_b, is_planted.

    `values` (n_images, n_rows) are the image activations of the listed latents, `images` has patient, diagnosis and
    cell_type. cell_type is the one that the latent tells best from all others among the images of the two groups, of
    types with at least `MIN_IMAGES` of them; share_a and share_b its `cell_type_shares`. is_planted: the share is
    larger in the group of the row's direction. Raises AnalysisError when no type has enough images.
    """
    own = images["diagnosis"].isin([group_a, group_b]).to_numpy(dtype=bool)
    types = images.loc[own, "cell_type"]
    sizes = types.value_counts()
    names = sorted(str(name) for name in sizes.index[(sizes >= MIN_IMAGES) & (sizes < len(types))])
    if not names:
        raise AnalysisError(f"no cell type has {MIN_IMAGES} images in {group_a} and {group_b}; render more cells")
    labels = np.column_stack([(types == name).to_numpy() for name in names])
    auroc = auroc_columns(values[own], labels)
    best = auroc.argmax(axis=0)
    shares = cell_type_shares(images[own]).reindex(index=names, columns=[group_a, group_b], fill_value=0.0).to_numpy()
    in_a = (listed["direction"] == group_a).to_numpy()
    share_a, share_b = shares[best].T
    return listed.reset_index(drop=True).assign(
        cell_type=[names[k] for k in best],
        auroc_cell_type=auroc.max(axis=0),
        share_a=share_a,
        share_b=share_b,
        is_planted=np.where(in_a, share_a > share_b, share_b > share_a),
    )


def explain_by_cells(
    listed: pd.DataFrame, latents: Directions, tokens: TokenSource, folder: Path, groups: tuple[str, str]
) -> pd.DataFrame:
    """`planted_cells` of the listed latents on the images of a SIMULATED cohort rendered into `folder`.

    The image activation is the mean over all tokens. Raises AnalysisError where an image was not rendered there.
    """
    of_listed = latents.take(listed["latent"].to_numpy(dtype=np.int64))
    values = np.hstack([chunk.values["mean"] for chunk in pooled_chunks(of_listed, tokens)])
    attributes = read_attributes(folder, tokens.index["relative_path"])
    images = tokens.index[["patient", "diagnosis"]].assign(cell_type=attributes["cell_type"].to_numpy())
    return planted_cells(listed, values, images, *groups)
