"""The grid of an ablation: each setting varied alone around a chosen point, as the paper does."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from cytosae_core.errors import ConfigError
from cytosae_core.sae.config import BiasStart, SaeConfig

Value = int | float | bool | str

SETTINGS = ("expansion", "b_dec_init", "block", "ghost_gradients", "l1_coefficient", "learning_rate")
"""What is varied, in the paper's order; block is a property of the tokens, all others of the configuration."""
PAPER_VALUES: Mapping[str, tuple[Value, ...]] = {
    "expansion": (16, 32, 64, 128),
    "b_dec_init": ("mean", "geometric_median_released"),
    "block": (2, 5, 11, 12),
    "ghost_gradients": (True, False),
    "l1_coefficient": (8e-4, 8e-5, 8e-6),
    "learning_rate": (4e-3, 4e-4, 4e-5),
}
"""The values of the paper's ablation."""
CHOSEN = "chosen"
"""Name of the point that all rows share."""


@dataclass(frozen=True)
class Varied:
    """Values to try beside the chosen ones; a setting without values stays as chosen."""

    expansion: tuple[int, ...] = ()
    """Expansions."""
    b_dec_init: tuple[BiasStart, ...] = ()
    """Starts of b_dec."""
    block: tuple[int, ...] = ()
    """Blocks."""
    ghost_gradients: tuple[bool, ...] = ()
    """With and without: True False."""
    l1_coefficient: tuple[float, ...] = ()
    """Weights of the L1 term."""
    learning_rate: tuple[float, ...] = ()
    """Learning rates."""

    @property
    def values(self) -> Mapping[str, tuple[Value, ...]]:
        """Values by setting; those of the paper where none is named at all."""
        return {name: getattr(self, name) for name in SETTINGS if getattr(self, name)} or PAPER_VALUES


class Point(NamedTuple):
    """One point of the grid; its seeds are its runs."""

    name: str
    """Name of its folder."""
    config: SaeConfig
    """How it is trained, but for the seed."""
    block: int
    """Block whose tokens it is trained on."""


class Row(NamedTuple):
    """One row of the table."""

    setting: str
    """What is varied."""
    value: Value
    """Its value here."""
    point: Point
    """Where it is trained; rows at the chosen values share one point."""


@dataclass(frozen=True)
class Grid:
    """Values of some settings, each varied alone around a chosen point."""

    chosen: SaeConfig
    """The chosen point; its seed is replaced by `seeds`."""
    block: int
    """The chosen block."""
    values: Mapping[str, tuple[Value, ...]] = field(default_factory=lambda: PAPER_VALUES)
    """Values by setting; the chosen value always has a row, whether it is named or not."""
    seeds: tuple[int, ...] = (0, 1, 2)
    """Seeds of every point."""

    def __post_init__(self) -> None:
        if unknown := [name for name in self.values if name not in SETTINGS]:
            raise ConfigError(f"settings {', '.join(unknown)}: a sweep can vary {', '.join(SETTINGS)}")
        if not self.seeds or len(set(self.seeds)) != len(self.seeds):
            raise ConfigError(f"seeds {self.seeds}: name at least one, and none twice")

    @property
    def rows(self) -> list[Row]:
        """The rows of the table, in the order of SETTINGS and then of the values."""
        return [
            Row(setting, value, self._point(setting, value))
            for setting in SETTINGS
            if setting in self.values
            for value in self._values(setting)
        ]

    @property
    def points(self) -> list[Point]:
        """The points to train at, each once, the chosen one first."""
        points = {CHOSEN: Point(CHOSEN, self.chosen, self.block)}
        return list((points | {row.point.name: row.point for row in self.rows}).values())

    def _values(self, setting: str) -> list[Value]:
        values = list(dict.fromkeys(self.values[setting]))
        chosen = self._chosen(setting)
        return values if chosen in values else [chosen, *values]

    def _chosen(self, setting: str) -> Value:
        value: Value = self.block if setting == "block" else getattr(self.chosen, setting)
        return value

    def _point(self, setting: str, value: Value) -> Point:
        if value == self._chosen(setting):
            return Point(CHOSEN, self.chosen, self.block)
        name = f"{setting}-{value}"
        if setting == "block":
            return Point(name, self.chosen, int(value))
        changes: dict[str, Any] = {setting: value}
        return Point(name, replace(self.chosen, **changes), self.block)
