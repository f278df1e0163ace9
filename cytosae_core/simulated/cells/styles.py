"""Five ways in which a stained cell becomes a picture: dyes, light, lens, sensor, file.

Each style imitates the look of one published data set. mll23, acevedo and bmc were fitted by eye and by the medians
of background, red cells and nuclei of real images; matek and hehr follow published descriptions only (Matek et al.
2019: 100x oil immersion, 400 x 400 px of about 29 um; Hehr et al. 2023: 144 x 144 px of 24.9 um, Pappenheim stain).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal

from cytosae_core.simulated.cells.frame import SIDE

Colour = tuple[float, float, float]

PIGMENTS: Mapping[str, Colour] = MappingProxyType(
    {
        "chromatin": (0.50, 0.78, 0.36),
        "matrix": (0.33, 0.68, 0.22),
        "blue": (0.29, 0.235, 0.075),
        "pink": (0.06, 0.17, 0.06),
        "haemoglobin": (0.100, 0.185, 0.105),
        "eosinophilic": (0.17, 0.52, 0.23),
        "basophilic": (0.55, 0.80, 0.30),
        "azurophilic": (0.30, 0.66, 0.18),
        "neutrophilic": (0.15, 0.34, 0.10),
        "platelet": (0.26, 0.46, 0.14),
        "dirt": (0.5, 0.55, 0.5),
    }
)
"""Optical density of each dye-bound part in red, green and blue, as in MLL23, before blur."""


@dataclass(frozen=True)
class Style:
    """One way of staining, photographing and storing."""

    name: str
    """Key of the data set whose look is imitated."""
    field_um: float
    """Side of the picture, micrometres."""
    file_size: tuple[int, int]
    """Width and height of the published files, pixels."""
    background: Colour
    """Red, green and blue of the empty slide, 0 to 255."""
    background_spread: Colour
    """Standard deviation of that colour from slide to slide."""
    other_background: Colour | None = None
    """Background of the slides that were made or lit in another way."""
    other_share: float = 0.0
    """Share of those slides."""
    pigments: Mapping[str, Colour] = field(default_factory=lambda: PIGMENTS)
    contrast: float = 1.0
    """Factor on all optical densities."""
    dye_spread: float = 0.07
    """Variation of each dye from slide to slide (standard deviation of the logarithm)."""
    blur_um: float = 0.1
    """Standard deviation of the point spread, micrometres."""
    blur_spread: float = 0.15
    """Variation of that blur from picture to picture (standard deviation of the logarithm)."""
    fringe_um: float = 0.0
    """Shift between red and blue, micrometres (lateral chromatic aberration)."""
    sharpening: float = 0.0
    """Amount of unsharp masking by the camera."""
    noise: float = 1.0
    """Standard deviation of the sensor noise at the brightness of the background, grey levels."""
    noise_grain: float = 0.6
    """Standard deviation of the blur that demosaicing lays over the noise, pixels."""
    shading: float = 0.02
    """Uneven light across the picture, as a share of the brightness."""
    sensor_px: int = SIDE
    """Pixels across the sensor's view: fewer than the picture has make it soft."""
    jpeg_quality: int | None = None
    """Quality of the camera's JPEG file; None where the files are lossless."""
    red_cell_factor: float = 1.0
    """Factor on how many red cells lie around."""
    pallor_factor: float = 1.0
    """Factor on the central pallor of red cells: low where the smear is thick."""
    n_specks: float = 1.0
    """Mean number of loose granules and stain specks."""
    n_neighbours: float = 0.0
    """Mean number of other white cells in the picture."""

    @property
    def um_per_px(self) -> float:
        """Micrometres per pixel of the rendered 288 x 288 picture."""
        return self.field_um / SIDE


def _dyes(**changes: Colour) -> Mapping[str, Colour]:
    return MappingProxyType({**PIGMENTS, **changes})


STYLES: Mapping[str, Style] = MappingProxyType(
    {
        style.name: style
        for style in (
            Style(
                "mll23",
                field_um=25.0,
                file_size=(288, 288),
                background=(230, 226, 231),
                background_spread=(5, 6, 5),
                blur_um=0.105,
                fringe_um=0.05,
                sharpening=0.35,
                noise=2.7,
                noise_grain=0.75,
                red_cell_factor=0.85,
            ),
            Style(
                "acevedo",
                field_um=34.0,
                file_size=(360, 363),
                background=(253, 226, 200),
                background_spread=(1.5, 2.5, 2.5),
                other_background=(226, 223, 232),
                other_share=0.12,
                pigments=_dyes(
                    chromatin=(0.54, 0.85, 0.18),
                    matrix=(0.30, 0.60, 0.11),
                    blue=(0.28, 0.27, 0.06),
                    pink=(0.06, 0.165, 0.09),
                    haemoglobin=(0.100, 0.142, 0.080),
                    eosinophilic=(0.14, 0.36, 0.21),
                    basophilic=(0.46, 0.80, 0.16),
                    azurophilic=(0.34, 0.64, 0.12),
                    neutrophilic=(0.22, 0.36, 0.08),
                    platelet=(0.34, 0.55, 0.08),
                ),
                blur_um=0.09,
                sharpening=1.2,
                noise=1.1,
                noise_grain=0.9,
                jpeg_quality=88,
            ),
            Style(
                "matek",
                field_um=29.0,
                file_size=(400, 400),
                background=(238, 226, 222),
                background_spread=(4, 5, 6),
                pigments=_dyes(
                    chromatin=(0.40, 0.80, 0.20),
                    matrix=(0.26, 0.58, 0.12),
                    blue=(0.28, 0.24, 0.04),
                    haemoglobin=(0.060, 0.170, 0.120),
                    eosinophilic=(0.10, 0.42, 0.22),
                    azurophilic=(0.24, 0.66, 0.16),
                ),
                contrast=0.9,
                blur_um=0.12,
                sharpening=0.15,
                noise=1.6,
                shading=0.03,
                red_cell_factor=0.9,
            ),
            Style(
                "bmc",
                field_um=25.0,
                file_size=(250, 250),
                background=(240, 233, 250),
                background_spread=(6, 7, 5),
                other_background=(152, 152, 160),
                other_share=0.5,
                pigments=_dyes(
                    chromatin=(0.54, 0.92, 0.20),
                    matrix=(0.38, 0.68, 0.11),
                    blue=(0.31, 0.29, 0.02),
                    pink=(0.08, 0.18, 0.04),
                    haemoglobin=(0.11, 0.15, 0.12),
                    eosinophilic=(0.22, 0.48, 0.22),
                    basophilic=(0.58, 0.92, 0.18),
                    azurophilic=(0.34, 0.70, 0.08),
                    neutrophilic=(0.18, 0.38, 0.05),
                ),
                dye_spread=0.12,
                blur_um=0.15,
                blur_spread=0.3,
                noise=2.6,
                noise_grain=0.5,
                shading=0.05,
                sensor_px=250,
                jpeg_quality=95,
                red_cell_factor=0.6,
                pallor_factor=0.45,
                n_neighbours=2.2,
                n_specks=14,
            ),
            Style(
                "hehr",
                field_um=24.9,
                file_size=(144, 144),
                background=(226, 219, 226),
                background_spread=(6, 7, 6),
                pigments=_dyes(
                    chromatin=(0.50, 0.74, 0.28),
                    matrix=(0.36, 0.58, 0.17),
                    blue=(0.32, 0.22, 0.04),
                    haemoglobin=(0.10, 0.17, 0.09),
                ),
                dye_spread=0.09,
                blur_um=0.16,
                noise=1.8,
                noise_grain=0.4,
                shading=0.03,
                sensor_px=144,
                red_cell_factor=0.8,
            ),
        )
    }
)
"""Styles by data set key."""

StyleName = Literal["mll23", "acevedo", "matek", "bmc", "hehr"]
