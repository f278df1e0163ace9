"""Export barcodes of patients, diseases or images for scanpy (.h5ad), with counts, denominators and similarity."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from _cli import bar, run

from cytosae_core.atlas.atlas import LatentAtlas
from cytosae_core.atlas.barcodes import Barcodes
from cytosae_core.concepts.inputs import open_latents
from cytosae_core.errors import ConfigError
from cytosae_core.patients.anndata_export import export_level
from cytosae_core.patients.inputs import open_barcodes
from cytosae_core.patients.levels import Level, disease_level, image_level, patient_level
from cytosae_core.tokens.source import StoreTokens


@dataclass(frozen=True, kw_only=True)
class Config:
    """What to export, and where to."""

    atlas: Path
    """Atlas with barcodes of patients."""
    out: Path
    """New folder for the .h5ad and, for patients, the tables of their similarity."""
    level: Literal["patient", "disease", "image"] = "patient"
    """One row each; images need --tokens and --sae."""
    tokens: Path | None = None
    """Token store of the images."""
    sae: Path | None = None
    """Folder of the atlas's SAE, or its published .pt file."""
    block: int | None = None
    """Block whose tokens are used, counted from 1; needed where the store holds several."""


def main(config: Config) -> None:
    """Export, and say what is in it."""
    atlas, barcodes = open_barcodes(config.atlas)
    level = _images(config, atlas, barcodes) if config.level == "image" else patient_level(barcodes)
    level = disease_level(level) if config.level == "disease" else level
    path = export_level(level, atlas, barcodes, config.out, asdict(config))
    print(f"{path}: {len(level.rows)} rows, {atlas.n_latents} latents{' (SIMULATED)' if atlas.simulated else ''}")


def _images(config: Config, atlas: LatentAtlas, barcodes: Barcodes) -> Level:
    if config.tokens is None or config.sae is None:
        raise ConfigError("barcodes of images are counted anew; give --tokens and --sae")
    latents, _ = open_latents(config.sae, atlas.sae_id)
    with_cls = barcodes.tokens == "patches+cls"
    tokens = StoreTokens.open(config.tokens, config.block)
    return image_level(latents, tokens, tau=barcodes.tau, with_cls=with_cls, progress=bar("latents"))


if __name__ == "__main__":
    run(main, Config)
