"""One data set of the published tables on its way into an atlas: checked, with names for positions and labels."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from cytosae_core import method
from cytosae_core.atlas.manifest import DatasetInfo
from cytosae_core.atlas.release import checks as release_checks
from cytosae_core.atlas.release.model import ReleaseTables
from cytosae_core.atlas.release.positions import N_IMAGES, ImageList, published_labels
from cytosae_core.atlas.writer import AtlasPart
from cytosae_core.errors import ReleaseError
from cytosae_core.images.walk import find_files


@dataclass(frozen=True)
class PreparedDataset:
    """A data set whose tables passed all checks."""

    part: AtlasPart
    images: ImageList | None
    n_high: int
    """Latents with a high activation (`method.high_activation`)."""
    entropy_difference: float
    """Largest difference between stored and recomputed label entropy, in nats."""

    def picture_files(self, latents: npt.NDArray[np.bool_]) -> tuple[dict[str, Path], dict[str, str]]:
        """Image files of the references of the marked latents (n_latents,), and the images that have none, with why."""
        if self.images is None or self.images.root is None:
            return {}, {}
        references = self.part.references
        wanted = references.loc[latents[references["latent"].to_numpy()], "image_id"].unique()
        return find_files(self.part.info.name, self.images.root, wanted.tolist())


def prepare(tables: ReleaseTables, images: ImageList | None, classnames: Path | None) -> PreparedDataset:
    """Check the tables against the images, and name what they refer to; raises ReleaseError as the checks do."""
    n_images, where = _n_images(tables, images)
    n_active = release_checks.count_active(tables, n_images, where)
    names = _label_names(tables, images, classnames)
    if images is not None:
        release_checks.check_labels(tables, images.labels, images.relative_paths, images.label_names)
    latents, slots = np.nonzero(tables.is_filled)
    entropy = method.label_entropy(
        latents, tables.labels[latents, slots], tables.values[latents, slots], tables.n_latents
    )
    difference = release_checks.entropy_difference(tables, entropy)
    mean = tables.mean_activation.astype(np.float64)
    statistics = pd.DataFrame(
        {
            "n_active": n_active,
            "sum_activation": np.where(n_active > 0, mean, 0.0) * n_active,
            "label_entropy": entropy,
        }
    )
    info = DatasetInfo(
        name=tables.dataset,
        n_images=n_images,
        um_per_px=None if images is None else images.um_per_px,
        label_kind=_label_kind(tables, images),
        fingerprint=None if images is None else images.fingerprint,
    )
    part = AtlasPart(info, statistics, _references(tables, images, names))
    return PreparedDataset(part, images, int(method.high_activation(mean).sum()), difference)


def _n_images(tables: ReleaseTables, images: ImageList | None) -> tuple[int, str]:
    if images is not None:
        return len(images.relative_paths), "the list has"
    if tables.dataset in N_IMAGES:
        return N_IMAGES[tables.dataset], "the published data set has"
    implied = release_checks.implied_n_images(tables)
    if implied is None:
        raise ReleaseError(
            f"{tables.dataset}: no number of images fits the activated frequencies; give its images or its file list"
        )
    return implied, "the frequencies imply"


def _label_kind(tables: ReleaseTables, images: ImageList | None) -> str:
    if images is not None:
        return images.label_kind
    return "patient" if tables.dataset == "hehr" else "class"


def _label_names(tables: ReleaseTables, images: ImageList | None, classnames: Path | None) -> npt.NDArray[np.object_]:
    """Names of all labels in the tables; invented ones ("patient 17") where nobody gave any."""
    given = images.label_names if images is not None else published_labels(tables.dataset, classnames)
    n_labels = int(tables.labels[tables.is_filled].max(initial=0)) + 1
    if given and len(given) < n_labels:
        raise ReleaseError(
            f"{tables.dataset}: the tables have labels up to {n_labels - 1}, and there are {len(given)} label names "
            f"({given[0]!r} to {given[-1]!r}); give the images, file list or class names of the same data set"
        )
    kind = _label_kind(tables, images)
    return np.array(given or [f"{kind} {index}" for index in range(n_labels)], dtype=object)


def _references(tables: ReleaseTables, images: ImageList | None, names: npt.NDArray[np.object_]) -> pd.DataFrame:
    latents, slots = np.nonzero(tables.is_filled)
    positions = tables.positions[latents, slots]
    unique, inverse = np.unique(positions, return_inverse=True)
    image_ids = np.array([_image_id(tables.dataset, images, int(position)) for position in unique], dtype=object)
    return pd.DataFrame(
        {
            "latent": latents.astype(np.int32),
            "rank": slots.astype(np.int16),  # filled slots come first, so a slot is a rank
            "image_id": image_ids[inverse],
            "activation": tables.values[latents, slots],
            "label": names[tables.labels[latents, slots]],
        }
    )


def _image_id(dataset: str, images: ImageList | None, position: int) -> str:
    return f"{dataset}#{position}" if images is None else f"{dataset}/{images.relative_paths[position]}"
