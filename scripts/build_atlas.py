"""Make an atlas of the latents of an SAE, in one pass over the images; run it again to finish what was interrupted.

python scripts/build_atlas.py --sae artifacts/sae --tokens artifacts/tokens --images acevedo FOLDER
"""

from dataclasses import dataclass
from pathlib import Path

from _cli import bar, run

from cytosae_core.atlas.build.build import build_atlas
from cytosae_core.atlas.build.inputs import InputChoice, dataset_inputs
from cytosae_core.atlas.build.options import BuildConfig
from cytosae_core.atlas.manifest import Manifest
from cytosae_core.backbone.choose import BackboneChoice, choose_backbone
from cytosae_core.backbone.team import torchrun_team
from cytosae_core.backbone.vit import best_device
from cytosae_core.progress import no_progress_of
from cytosae_core.sae.checkpoint import read_checkpoint


@dataclass(frozen=True, kw_only=True)
class Config(BuildConfig, InputChoice, BackboneChoice):
    """Which SAE, which images, and where to."""

    sae: Path
    """The SAE: a folder that train_sae.py or convert_checkpoint.py made, or a published .pt file."""
    out: Path = Path("artifacts/atlas")
    """Folder of the atlas to be made; must not exist."""


def main(config: Config) -> None:
    """Build, resume or stop where other machines go on, and say what was found."""
    with torchrun_team() as team:
        progress_of = bar if team.is_lead else no_progress_of
        device = best_device(team.local_rank) if config.device == "auto" else config.device
        datasets = dataset_inputs(config, lambda: choose_backbone(config, team, progress_of("download (bytes)")))
        checkpoint = read_checkpoint(config.sae).latents_first()
        manifest = build_atlas(
            checkpoint, datasets, config.out, config, device=device, team=team, progress_of=progress_of
        )
    if team.is_lead:
        print(describe(config.out, manifest))


def describe(out: Path, manifest: Manifest | None) -> str:
    """What the atlas holds, or what to do next."""
    if manifest is None:
        return (
            f"this machine's parts are in {out.with_name(f'.{out.name}.parts')}; bring those of all machines together"
        )
    said = [f"{out}: {manifest.atlas_id}, SAE {manifest.sae_id}, {manifest.n_latents:,} latents"]
    for info in manifest.datasets:
        mark = " (SIMULATED)" if info.simulated else ""
        said.append(f"  {info.name}{mark}: {info.n_images:,} images, {info.n_pictures:,} pictures")
    return "\n".join([*said, f"  left out: {len(manifest.skipped):,} images (manifest.json says why)"])


if __name__ == "__main__":
    run(main, Config)
