"""The barcode of one image, as `barcodes/images.parquet` has it."""

import numpy as np

from cytosae_core.atlas.optional_files import read_image_barcodes


def image_barcode(atlas, image_id):
    """Activating tokens (n_latents,); all 0 for an image that is not in the file."""
    rows = read_image_barcodes(atlas.path, image_id, image_id)
    counts = np.zeros(atlas.n_latents, np.int32)
    for latents, values in zip(rows["latents"].to_pylist(), rows["counts"].to_pylist(), strict=True):
        counts[latents] = values
    return counts
