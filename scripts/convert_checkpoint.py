"""Convert a published SAE checkpoint (.pt) to safetensors and plain JSON, executing nothing that is in the file.

python scripts/convert_checkpoint.py --checkpoint FILE.pt --out artifacts/sae
"""

import sys
from dataclasses import dataclass
from pathlib import Path

from _cli import run


@dataclass(frozen=True)
class Conversion:
    """Which checkpoint is converted."""

    checkpoint: Path
    """The published .pt file."""
    out: Path
    """Folder to be made; must not exist."""


def main(options: Conversion) -> None:
    """Convert, and say what was found."""
    try:
        from cytosae_core.sae.checkpoint import read_published, save
    except ModuleNotFoundError as error:
        sys.exit(f"error: {error.name} is not installed; run: pip install -r requirements.txt")
    checkpoint = read_published(options.checkpoint)
    save(checkpoint, options.out)
    print(f"{options.out}: {checkpoint.sae_id}, {checkpoint.d_in} -> {checkpoint.d_sae:,} latents")


if __name__ == "__main__":
    run(main, Conversion)
