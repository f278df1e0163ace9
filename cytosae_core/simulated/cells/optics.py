"""From optical density to a picture: light, lens, sensor and file, in that order."""

import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from cytosae_core.simulated.cells.frame import SIDE, Array
from cytosae_core.simulated.cells.noise import smooth_noise, stream
from cytosae_core.simulated.cells.scene import Scene
from cytosae_core.simulated.cells.styles import Style

Pixels = NDArray[np.uint8]


def develop(scene: Scene, style: Style, seed: int, slide_seed: int) -> Pixels:
    """Return the picture (288, 288, 3): Beer-Lambert transmission, blur, fringes, sharpening, noise, JPEG.

    Pictures with the same `slide_seed` were taken in nearly the same light.
    """
    rng = stream(seed, "optics")
    light = _lamp(style, stream(slide_seed, "lamp"), rng)
    channels = np.stack([_seen(scene.density[channel], channel, style, rng) for channel in range(3)])
    channels *= light[:, None, None] * _shading(scene, style, stream(seed, "shading"))
    channels = _sensed(channels, style, stream(seed, "sensor"))
    pixels = np.clip(np.rint(channels), 0, 255).astype(np.uint8).transpose(1, 2, 0)
    return _through_file(np.ascontiguousarray(pixels), style)


def _lamp(style: Style, slide_rng: np.random.Generator, rng: np.random.Generator) -> Array:
    """Return the red, green and blue of the empty slide in this picture."""
    other = style.other_background if slide_rng.random() < style.other_share else None
    shift = 0.8 * slide_rng.standard_normal() + 0.4 * slide_rng.standard_normal(3) + 0.3 * rng.standard_normal()
    light = np.array(other or style.background) + np.array(style.background_spread) * shift
    clipped: Array = np.clip(light, 20, 254)
    return clipped


def _seen(density: Array, channel: int, style: Style, rng: np.random.Generator) -> Array:
    """Return the transmitted share of light in one channel after the lens and the camera's sharpening."""
    transmitted = np.exp(-np.log(10) * style.contrast * density)
    pixel = style.um_per_px
    # every channel has its own focus: red and blue are a little softer than green
    softness = style.blur_um * float(np.exp(rng.normal(0, style.blur_spread))) * (1.12, 1.0, 1.08)[channel]
    sharp = _blurred(transmitted, softness / pixel)
    if style.sharpening > 0:
        sharp = sharp + style.sharpening * (sharp - _blurred(sharp, 0.17 / pixel))
    if style.fringe_um > 0 and channel != 1:
        sharp = _nudged(sharp, style.fringe_um / pixel, channel - 1)
    return sharp


def _blurred(channel: Array, pixels: float) -> Array:
    blurred: Array = ndimage.gaussian_filter(channel, pixels, truncate=3.0)
    return blurred


def _nudged(channel: Array, share: float, direction: int) -> Array:
    """Return a channel shifted diagonally by `share` of a pixel, one way or the other."""
    for axis in (0, 1):
        moved = np.roll(channel, direction, axis=axis)
        edge = 0 if direction > 0 else SIDE - 1
        moved.swapaxes(0, axis)[edge] = channel.swapaxes(0, axis)[edge]
        channel = (1 - share) * channel + share * moved
    return channel


def _shading(scene: Scene, style: Style, rng: np.random.Generator) -> Array:
    """Return uneven light: a slope across the picture, and stain left between the cells."""
    angle = rng.uniform(0, 2 * np.pi)
    half = scene.frame.pixel * SIDE / 2
    slope = (scene.frame.x * np.cos(angle) + scene.frame.y * np.sin(angle)) / half
    shading: Array = 1 - style.shading * (0.5 + 0.5 * slope) + 0.004 * smooth_noise(rng, scene.frame, 3.0)
    return shading


def _sensed(channels: Array, style: Style, rng: np.random.Generator) -> Array:
    """Add shot noise at the resolution of the sensor, and bring it to 288 pixels."""
    if style.sensor_px != SIDE:
        channels = np.stack([_resized(channel, style.sensor_px, Image.Resampling.BOX) for channel in channels])
    grain = rng.standard_normal(channels.shape, dtype=np.float32)
    noise = ndimage.gaussian_filter(grain, (0, style.noise_grain, style.noise_grain), truncate=3.0)
    # shot noise grows with the root of the brightness, which green stands for
    strength = style.noise / float(noise.std()) * np.sqrt(np.clip(channels[1], 0, None) / 230.0)
    channels = channels + strength * (0.8 * noise + 0.35 * noise.sum(axis=0))
    if style.sensor_px != SIDE:
        channels = np.stack([_resized(channel, SIDE, Image.Resampling.BICUBIC) for channel in channels])
    return channels


def _resized(channel: Array, side: int, how: Image.Resampling) -> Array:
    image = Image.fromarray(channel.astype(np.float32))
    return np.asarray(image.resize((side, side), how), dtype=np.float64)


def _through_file(pixels: Pixels, style: Style) -> Pixels:
    """Write and read the camera's JPEG file where the style has one."""
    if style.jpeg_quality is None:
        return pixels
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=style.jpeg_quality)
    return np.asarray(Image.open(buffer).convert("RGB"))
