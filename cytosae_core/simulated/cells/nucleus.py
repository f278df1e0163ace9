"""Nuclei: an outline built from strokes, and chromatin inside it."""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from cytosae_core.simulated.cells.frame import Array, Frame
from cytosae_core.simulated.cells.noise import smooth_noise, stream, warped
from cytosae_core.simulated.cells.parameters import Nucleus
from cytosae_core.simulated.cells.shapes import cover, ellipse, intersection, segment, union


@dataclass(frozen=True, eq=False)
class NucleusPicture:
    """A nucleus in a window."""

    distance: Array
    """Signed distance to the outline, micrometres."""
    chromatin: Array
    """Condensed chromatin, relative amount of dye."""
    matrix: Array
    """Open chromatin between the clumps, relative amount of dye."""
    nucleoli: Array
    """How much a nucleolus covers each pixel, 0 to 1."""


def render_nucleus(
    nucleus: Nucleus, cell: Array, centre: tuple[float, float], radius: float, frame: Frame, seed: int
) -> NucleusPicture:
    """Render a nucleus into a cell of mean `radius` micrometres whose signed distance is `cell`."""
    rng = stream(seed, "nucleus")
    x, y = warped(rng, frame, 3.2, 1.5 * nucleus.irregularity)
    x = x + 0.45 * nucleus.irregularity * smooth_noise(rng, frame, 1.1)
    lobes = _outline(nucleus, x - centre[0], y - centre[1], radius, rng)
    inside_cell = cell + 0.25
    lobes = [intersection(lobe, inside_cell, 0.5) for lobe in lobes]
    distance = lobes[0]
    for lobe in lobes[1:]:
        distance = union(distance, lobe, 0.25)
    nucleoli = _nucleoli(nucleus, distance, frame, stream(seed, "nucleoli"))
    chromatin, matrix = _chromatin(nucleus, distance, lobes, frame, stream(seed, "chromatin"))
    return NucleusPicture(distance, chromatin * (1 - 0.55 * nucleoli), matrix * (1 - 0.25 * nucleoli), nucleoli)


def _outline(nucleus: Nucleus, x: Array, y: Array, radius: float, rng: np.random.Generator) -> list[Array]:
    """Return the signed distances of the parts that make up the outline."""
    own = radius * np.sqrt(nucleus.share)
    angle = rng.uniform(0, 2 * np.pi)
    shift = nucleus.excentricity * max(radius - own, 0.0)
    x, y = x - shift * np.cos(angle), y - shift * np.sin(angle)
    if nucleus.shape in ("band", "indented"):
        return [_arc(nucleus, x, y, radius, own, angle, rng)]
    if nucleus.shape in ("bilobed", "multilobed"):
        return _lobed(nucleus, x, y, radius, own, rng)
    stretch = np.sqrt(nucleus.elongation)
    turn = angle + np.pi / 2 + rng.normal(0, 0.5)
    oval = ellipse(x, y, (0.0, 0.0), (own * stretch, own / stretch), turn)
    if nucleus.shape == "cup":
        oval = _cupped(nucleus, oval, x, y, own, angle)
    return [oval]


def _cupped(nucleus: Nucleus, oval: Array, x: Array, y: Array, own: float, angle: float) -> Array:
    """Take a smooth bite out of an oval: the invagination of a cup-like or fish-mouth nucleus, seen from the side."""
    bite_radius = own * (0.35 + 0.35 * nucleus.indentation)
    reach = own * (1.0 - 2 * nucleus.indentation) + bite_radius
    bite = ellipse(
        x, y, (-reach * np.cos(angle), -reach * np.sin(angle)), (bite_radius * 1.25, bite_radius * 0.9), angle
    )
    return intersection(oval, -bite, 1.5)


def _arc(
    nucleus: Nucleus, x: Array, y: Array, radius: float, own: float, angle: float, rng: np.random.Generator
) -> Array:
    """Return a thick curved stroke: kidney to horseshoe to band as it bends further and becomes thinner."""
    area = np.pi * own * own
    bend = np.pi * (0.45 + 0.95 * nucleus.indentation)
    spine = (0.36 + 0.26 * nucleus.indentation) * radius
    length = spine * bend
    half = (-2 * length + np.sqrt(4 * length**2 + 4 * np.pi * area)) / (2 * np.pi)
    angles = angle + np.linspace(-bend / 2, bend / 2, 9)
    centre = 0.45 * spine
    points = np.stack(
        [spine * np.cos(angles) - centre * np.cos(angle), spine * np.sin(angles) - centre * np.sin(angle)], axis=1
    )
    points = points + rng.normal(0, 0.09 * half, (9, 2))
    waist = 1 - 0.25 * np.cos(np.linspace(-np.pi / 2, np.pi / 2, 9)) * (nucleus.shape == "band")
    waist = waist * np.exp(rng.normal(0, 0.09, 9))
    stroke = segment(x, y, points[0], points[1], half * waist[0], half * waist[1])
    for index in range(1, 8):
        part = segment(x, y, points[index], points[index + 1], half * waist[index], half * waist[index + 1])
        stroke = union(stroke, part, 0.9)
    return stroke


def _lobed(nucleus: Nucleus, x: Array, y: Array, radius: float, own: float, rng: np.random.Generator) -> list[Array]:
    """Return lobes along a bent line, each joined to the next by a thin bridge."""
    n = max(nucleus.n_lobes, 2)
    bend = min(rng.uniform(1.6, 2.6) + rng.uniform(0.8, 1.2) * (n - 2), 1.5 * np.pi)
    angles = rng.uniform(0, 2 * np.pi) + np.linspace(0, bend, n) + rng.normal(0, 0.12, n)
    ring = radius * rng.uniform(0.41, 0.53) * (1 + rng.normal(0, 0.10, n))
    centres = np.stack([ring * np.cos(angles), ring * np.sin(angles)], axis=1)
    sizes = own / np.sqrt(n) * np.exp(rng.normal(0, 0.10, n)) * 0.97
    tangents = angles + np.pi / 2 + rng.normal(0, 0.6, n)
    lobes = []
    for centre, size, tangent in zip(centres, sizes, tangents, strict=True):
        half = rng.uniform(0.25, 0.85 if n == 2 else 0.5) * size * np.array([np.cos(tangent), np.sin(tangent)])
        first, last = size * rng.uniform(0.74, 0.9), size * rng.uniform(0.66, 0.9)
        lobes.append(segment(x, y, centre - half, centre + half, first, last))
    for here, there in pairwise(centres):
        thickness = rng.uniform(0.18, 0.4) if n > 2 else rng.uniform(0.25, 0.6)
        lobes.append(segment(x, y, here, there, thickness, thickness))
    return lobes


def _nucleoli(nucleus: Nucleus, distance: Array, frame: Frame, rng: np.random.Generator) -> Array:
    """Return soft round patches well inside the nucleus."""
    covered = np.zeros(frame.shape)
    candidates = np.argwhere(distance < min(-0.9, 0.45 * float(distance.min())))
    if len(candidates) == 0:
        return covered
    for _ in range(nucleus.n_nucleoli):
        row, column = candidates[rng.integers(len(candidates))]
        axes = rng.uniform(0.55, 1.05), rng.uniform(0.5, 0.85)
        place = float(frame.x[row, column]), float(frame.y[row, column])
        patch = ellipse(frame.x, frame.y, place, axes, rng.uniform(0, np.pi))
        covered = np.maximum(covered, cover(patch, 0.3))
    return covered


def _chromatin(
    nucleus: Nucleus, distance: Array, lobes: list[Array], frame: Frame, rng: np.random.Generator
) -> tuple[Array, Array]:
    """Return condensed and open chromatin: clumps at one scale, grain at a finer one, a dark membrane, folds."""
    clumps = smooth_noise(rng, frame, 0.48 * nucleus.clump_scale)
    grain = smooth_noise(rng, frame, 0.21)
    broad = smooth_noise(rng, frame, 2.5)
    steep = 1.9 + 0.9 * nucleus.clumping
    fine = 1.1 - 0.35 * nucleus.clumping
    tone = 1 / (1 + np.exp(-steep * (clumps + fine * grain + 0.6 * nucleus.clumping)))
    depth = np.clip(-distance, 0, None)
    rim = sum(np.exp(-(((lobe + 0.1) / 0.17) ** 2)) * (0.5 + 0.5 * nucleus.clumping) for lobe in lobes)
    fold = np.exp(-((broad / 0.10) ** 2)) * nucleus.creases
    inside = cover(distance, 0.24)
    thick = 1 - 0.18 * np.exp(-depth / 0.8)
    ground, contrast = 0.30 - 0.14 * nucleus.clumping, 0.52 + 0.40 * nucleus.clumping
    amount = ground + contrast * tone + 0.38 * np.minimum(rim, 1) + 0.35 * fold
    chromatin = nucleus.density * inside * thick * amount * (1 + 0.06 * broad)
    matrix = nucleus.density * inside * thick * (0.42 - 0.14 * tone)
    return chromatin, matrix
