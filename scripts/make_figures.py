"""Make the figures of an atlas, and of the results computed from it: pages that need no network, and pictures."""

from dataclasses import dataclass
from pathlib import Path

from _cli import bar, run

from cytosae_core.figures.config import FigureConfig
from cytosae_core.figures.make import make_figures


@dataclass(frozen=True, kw_only=True)
class Config(FigureConfig):
    """What figures are made of, and where to."""

    out: Path
    """New folder for the figures; open its index.html."""


def main(config: Config) -> None:
    """Make all figures that the inputs allow; say which, and which not and why."""
    made, left_out, problem = make_figures(config, config.out, bar("figures"))
    for one in made:
        print(f"{config.out / one.files[0]}")
    for title, reason in left_out:
        print(f"left out: {title}: {reason}")
    if problem:
        print(problem)
    print(f"open {config.out / 'index.html'}")


if __name__ == "__main__":
    run(main, Config)
