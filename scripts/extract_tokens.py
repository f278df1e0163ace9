"""Turn images into a store of tokens; run it again to finish what was interrupted, or with torchrun on several GPUs."""

from dataclasses import dataclass
from pathlib import Path

from _cli import bar, run

from cytosae_core.backbone.choose import BackboneChoice, choose_backbone
from cytosae_core.backbone.download import Weights
from cytosae_core.backbone.team import torchrun_team
from cytosae_core.images.select import list_images
from cytosae_core.progress import no_progress
from cytosae_core.tokens.extract import extract
from cytosae_core.tokens.plan import ExtractConfig


@dataclass(frozen=True)
class Config(ExtractConfig, BackboneChoice):
    """What to extract from what, and where to."""

    dataset: str = "images"
    """Published data set (mll23, acevedo, matek, bmc, hehr) or any name for images of your own."""
    root: Path | None = None
    """Folder of the images."""
    csv: Path | None = None
    """CSV with a column path, and optionally label, patient, diagnosis."""
    by_patient: bool = False
    """Images of your own lie as diagnosis/patient/file, not as class/file."""
    output: Path = Path("artifacts/tokens")
    """Folder that becomes the token store."""


def main(config: Config) -> None:
    """Extract, resume or find finished, and say what is there."""
    with torchrun_team() as team:
        table = list_images(config.dataset, config.root, config.csv, by_patient=config.by_patient)
        download = bar("download (bytes)") if team.is_lead and config.is_downloaded else no_progress
        backbone = choose_backbone(config, team, download, notify if team.is_lead else None)
        progress = bar("images to tokens") if team.is_lead else no_progress
        store = extract(backbone, table, config.output, config, team=team, progress=progress)
    if team.is_lead:
        origin = "SIMULATED, rendered by a program: " if store.simulated else ""
        print(f"{origin}{store.path}: {store.n_images} images of {store.n_tokens} tokens of width {store.d_model}")
        print(f"blocks {', '.join(map(str, store.blocks))}; backbone {backbone.name} {backbone.backbone_id}")
        for image in store.manifest["skipped"]:
            print(f"skipped {image['image_id']}: {image['reason']}")


def notify(weights: Weights) -> None:
    """Say which published file this is, and whether anybody vouches for its bytes."""
    how = "compared with the published one" if weights.is_compared else "NOT compared: none that is known is published"
    print(f"{weights.path}: sha256 {weights.sha256}, {how}")


if __name__ == "__main__":
    run(main, Config)
