"""Signed distances in micrometres: negative inside, zero on the outline, positive outside."""

import numpy as np

from cytosae_core.simulated.cells.frame import Array


def ellipse(x: Array, y: Array, centre: tuple[float, float], axes: tuple[float, float], angle: float) -> Array:
    """Return the approximate signed distance to an ellipse with semi-axes `axes`, turned by `angle` radians."""
    cos, sin = np.cos(angle), np.sin(angle)
    right, down = x - centre[0], y - centre[1]
    u, v = right * cos + down * sin, down * cos - right * sin
    level = np.sqrt((u / axes[0]) ** 2 + (v / axes[1]) ** 2) + 1e-9
    slope = np.sqrt((u / axes[0] ** 2) ** 2 + (v / axes[1] ** 2) ** 2) + 1e-9
    # level * (level - 1) / slope is exact for circles and first-order exact on the outline of an ellipse
    distance: Array = np.where(level > 0.05, level * (level - 1) / slope, -min(axes))
    return distance


def segment(x: Array, y: Array, start: Array, end: Array, start_radius: float, end_radius: float) -> Array:
    """Return the signed distance to a stroke from `start` to `end` that goes from one half width to another."""
    ex, ey = end[0] - start[0], end[1] - start[1]
    px, py = x - start[0], y - start[1]
    along = np.clip((px * ex + py * ey) / (ex * ex + ey * ey + 1e-9), 0, 1)
    radius = start_radius + (end_radius - start_radius) * along
    dx, dy = px - along * ex, py - along * ey
    distance: Array = np.sqrt(dx * dx + dy * dy) - radius
    return distance


def union(first: Array, second: Array, blend: float) -> Array:
    """Return the union of two shapes with a fillet of about `blend` micrometres (polynomial smooth minimum)."""
    overlap = np.clip(blend - np.abs(first - second), 0, None)
    joined: Array = np.minimum(first, second) - overlap * overlap / (4 * blend)
    return joined


def intersection(first: Array, second: Array, blend: float) -> Array:
    """Return what two shapes have in common, its corner rounded by `blend` micrometres."""
    return -union(-first, -second, blend)


def cover(distance: Array, width: float) -> Array:
    """Return how much of a pixel lies inside, 0 to 1, over an edge `width` micrometres wide."""
    ramp = np.clip(0.5 - distance / width, 0, 1)
    covered: Array = ramp * ramp * (3 - 2 * ramp)
    return covered
