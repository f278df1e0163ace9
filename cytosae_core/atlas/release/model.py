"""What the published tables of one data set say, as arrays; no files, no torch."""

import hashlib
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
Integers = npt.NDArray[np.int64]


@dataclass(frozen=True)
class ReleaseTables:
    """Tables of one data set; a slot is a place for one of a latent's k reference images."""

    dataset: str
    mean_activation: Floats
    """(n_latents,) mean over activated images; NaN where there are none."""
    frequency: Floats
    """(n_latents,) share of images that activate the latent, as stored."""
    values: Floats
    """(n_latents, k) image activations, falling; 0 in a slot without image."""
    positions: Integers
    """(n_latents, k) positions of the images in the shuffled data set."""
    labels: Integers
    """(n_latents, k) class, or patient, of the images."""
    entropy: Floats | None
    """(n_latents,) label entropy; None where it was not published."""

    @property
    def n_latents(self) -> int:
        """Number of latents."""
        return len(self.mean_activation)

    @property
    def is_filled(self) -> npt.NDArray[np.bool_]:
        """(n_latents, k) whether the slot holds an image."""
        return self.values > 0

    @property
    def digest(self) -> str:
        """SHA-256 of the values of all tables but the entropy."""
        digest = hashlib.sha256()
        for array in (self.mean_activation, self.frequency, self.values, self.positions, self.labels):
            digest.update(np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<")).data)
        return digest.hexdigest()
