"""One atlas of several: of different data sets, or of parts of one data set that were built on different machines.

It is the atlas of the whole; what of the optional files cannot be that is left out, and printed.
"""

from dataclasses import dataclass
from pathlib import Path

from _cli import run

from cytosae_core.atlas.merge.merge import merge_atlases


@dataclass(frozen=True, kw_only=True)
class Config:
    """Which atlases, and where to."""

    atlases: tuple[Path, ...]
    """Folders of atlases that were built with the same SAE and definitions, and share no image."""
    out: Path
    """Folder of the atlas to be made; must not exist."""


def main(config: Config) -> None:
    """Merge, and say what was made and what had to be left out."""
    manifest = merge_atlases(config.atlases, config.out)
    print(f"{config.out}: {manifest.atlas_id}, SAE {manifest.sae_id}, {manifest.n_latents:,} latents")
    for info in manifest.datasets:
        mark = " (SIMULATED)" if info.simulated else ""
        print(f"  {info.name}{mark}: {info.n_images:,} images, {info.n_pictures:,} pictures")
    for name, reason in manifest.config["left_out"].items():
        print(f"  left out: {name}: {reason}")


if __name__ == "__main__":
    run(main, Config)
