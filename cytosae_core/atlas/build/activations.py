"""What the passes over images hand to each other: activations of images by latent, only where there are any."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt


class ImageActivations(NamedTuple):
    """Sparse activations of a few images, one entry an (image, latent) that is not zero; no order is promised."""

    n_images: int
    """Images looked at, those without any entry included."""
    image: npt.NDArray[np.int64]
    """(n_entries,) which of the images, from 0."""
    latent: npt.NDArray[np.int64]
    """(n_entries,) which latent."""
    activation: npt.NDArray[np.float32]
    """(n_entries,) activation A_i[s] of the image; 0 where only `n_above` is not."""
    n_above: npt.NDArray[np.int64]
    """(n_entries,) tokens a_i[s] of the image above tau; 0 where only `activation` is not."""

    def active(self) -> "ImageActivations":
        """The entries with an activation above 0."""
        keep = self.activation > 0
        return ImageActivations(
            self.n_images, self.image[keep], self.latent[keep], self.activation[keep], self.n_above[keep]
        )


def join(batches: list[ImageActivations]) -> ImageActivations:
    """The batches as one, images numbered on from batch to batch."""
    starts = np.cumsum([0] + [batch.n_images for batch in batches])
    return ImageActivations(
        int(starts[-1]),
        np.concatenate([batch.image + start for batch, start in zip(batches, starts[:-1], strict=True)] or [_NONE]),
        np.concatenate([batch.latent for batch in batches] or [_NONE]),
        np.concatenate([batch.activation for batch in batches] or [_NONE.astype(np.float32)]),
        np.concatenate([batch.n_above for batch in batches] or [_NONE]),
    )


_NONE = np.zeros(0, np.int64)
