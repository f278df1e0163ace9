"""The slide while it is being rendered: optical density by dye, who occupies which place, masks of the parts."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from cytosae_core.simulated.cells.frame import SIDE, Array, Frame, Mask
from cytosae_core.simulated.cells.styles import Colour

MASK_NAMES = (
    "cell",
    "nucleus",
    "cytoplasm",
    "eosinophilic_granules",
    "basophilic_granules",
    "azurophilic_granules",
    "neutrophilic_granules",
    "vacuoles",
    "auer_rods",
    "nucleoli",
    "red_cells",
    "platelets",
    "neighbours",
    "background",
)
"""Parts of a picture. `cytoplasm` is `cell` without `nucleus`; granules lie in `cell` and may cover the nucleus."""

FAR = 99.0
"""Distance, micrometres, that stands for `nothing near`."""


@dataclass(eq=False)
class Scene:
    """Everything rendered so far."""

    frame: Frame
    pigments: Mapping[str, Colour]
    density: Array = field(default_factory=lambda: np.zeros((3, SIDE, SIDE)))
    """Optical density (3, 288, 288)."""
    occupied: Array = field(default_factory=lambda: np.full((SIDE, SIDE), FAR))
    """Signed distance to the nearest white cell, micrometres."""
    masks: dict[str, Mask] = field(
        default_factory=lambda: {name: np.zeros((SIDE, SIDE), dtype=np.bool_) for name in MASK_NAMES}
    )

    def dye(self, frame: Frame, name: str, amount: Array) -> None:
        """Add `amount` (height, width) of a dye in a window."""
        for channel, weight in enumerate(self.pigments[name]):
            self.density[channel][frame.place] += weight * amount

    def fade(self, frame: Frame, kept: Array) -> None:
        """Keep only a share of all that was rendered in a window: vacuoles, nucleoli, cells that push others away."""
        for channel in self.density:
            channel[frame.place] *= kept

    def mark(self, frame: Frame, name: str, where: Mask) -> None:
        """Add pixels of a window to a mask."""
        self.masks[name][frame.place] |= where
