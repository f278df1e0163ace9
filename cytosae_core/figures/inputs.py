"""What figures need of many latents at once: top labels, pictures of patients' cells, tables of an analysis."""

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from cytosae_core.atlas import tables
from cytosae_core.atlas.atlas import LatentAtlas
from cytosae_core.atlas.noise import NoiseFilter


def top_labels(atlas: LatentAtlas) -> "dict[str, pd.Series[str]]":
    """Data set -> (latent -> the label with the largest summed activation of its references; ties by name).

    Latents without references, or without labels, are not in it.
    """
    columns = ["latent", "dataset", "activation", "label"]
    rows = tables.read_table(atlas.path / tables.REFERENCES_NAME, tables.REFERENCES, columns)
    rows = rows.filter(pc.is_valid(rows["label"]))
    sums = rows.group_by(["dataset", "latent", "label"]).aggregate([("activation", "sum")])
    order = [
        ("dataset", "ascending"),
        ("latent", "ascending"),
        ("activation_sum", "descending"),
        ("label", "ascending"),
    ]
    frame = sums.sort_by(order).to_pandas().drop_duplicates(["dataset", "latent"])
    return {info.name: frame.loc[frame["dataset"] == info.name].set_index("latent")["label"] for info in atlas.datasets}


def picture_names(atlas: LatentAtlas) -> dict[str, str]:
    """Image -> name of its picture, for the images that have one: also those that are references of patients only."""
    images = tables.read_table(atlas.path / tables.IMAGES_NAME, tables.IMAGES, ["image_id", "picture"])
    images = images.filter(pc.is_valid(images["picture"]))
    return dict(zip(images["image_id"].to_pylist(), images["picture"].to_pylist(), strict=True))


def images_with_patches(atlas: LatentAtlas) -> frozenset[str]:
    """Images whose patches the atlas can explain without the SAE; none where it keeps none."""
    if tables.PATCH_IMAGES_NAME not in atlas.manifest.files:
        return frozenset()
    rows: pa.Table = tables.read_table(atlas.path / tables.PATCH_IMAGES_NAME, tables.PATCH_IMAGES)
    return frozenset(rows["image_id"].to_pylist())


def noise_filter(atlas: LatentAtlas) -> NoiseFilter:
    """Which latents the atlas itself left out of the patches as noise; the paper's rule where it does not say."""
    return NoiseFilter.of_config(atlas.manifest.config) or NoiseFilter()


def has_patient_references(atlas: LatentAtlas) -> bool:
    """Whether the atlas keeps each patient's own strongest images."""
    return tables.PATIENT_REFERENCES_NAME in atlas.manifest.files
