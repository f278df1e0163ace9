"""Pixels to what a backbone takes, pixel by pixel: the slow twin of `normalise_batch`, with the numbers of ImageNet."""

import numpy as np

from cytosae_core.images.transforms import resize_rgb

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


def normalise(rgb):
    """Channels last (..., height, width, 3) to float32 (..., 3, height, width)."""
    planes = [(rgb[..., i] / 255 - IMAGENET_MEAN[i]) / IMAGENET_STD[i] for i in range(3)]
    return np.stack(planes, axis=-3).astype(np.float32)


def model_input(image, size=224):
    """An image as float32 (3, size, size): RGB, resized, normalised."""
    return normalise(resize_rgb(image, size))
