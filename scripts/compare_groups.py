"""List the latents that differ between two groups of patients: ranking, effect size, Mann-Whitney, stability."""

from dataclasses import asdict, dataclass
from pathlib import Path

from _cli import bar, run

from cytosae_core.artifacts.tables import write_results
from cytosae_core.concepts.inputs import open_latents
from cytosae_core.concepts.planted import explain_by_cells
from cytosae_core.method import N_DIFFERENTIAL
from cytosae_core.patients.comparison import compare_groups
from cytosae_core.patients.differential import Ranking
from cytosae_core.patients.inputs import open_barcodes
from cytosae_core.tokens.source import StoreTokens


@dataclass(frozen=True, kw_only=True)
class Config:
    """Which groups, and where to. With --rendered, --tokens and --sae: which rendered cells each latent stands for."""

    atlas: Path
    """Atlas with barcodes of patients."""
    groups: tuple[str, str]
    """The two groups, such as CBFB::MYH11 PML::RARA."""
    out: Path
    """New folder for the table."""
    n: int = N_DIFFERENTIAL
    """Latents in each direction."""
    ranking: Ranking = "corrected"
    """released: as in the authors' code, which divides by the width of the SAE instead of the number of images."""
    min_images: int = 1
    """Patients with fewer images are left out."""
    n_bootstrap: int = 1000
    """Samples of patients behind the stability."""
    seed: int = 0
    """Of the bootstrap."""
    rendered: Path | None = None
    """Folder of the SIMULATED cohort."""
    tokens: Path | None = None
    """Token store of the SIMULATED cohort."""
    sae: Path | None = None
    """Folder of the atlas's SAE."""


def main(config: Config) -> None:
    """Compare, write the table, and print its head."""
    atlas, barcodes = open_barcodes(config.atlas)
    options = {name: getattr(config, name) for name in ("seed", "n", "ranking", "min_images", "n_bootstrap")}
    table = compare_groups(barcodes, *config.groups, **options, progress=bar("bootstrap"))
    if config.rendered is not None and config.tokens is not None and config.sae is not None:
        latents, _ = open_latents(config.sae, atlas.sae_id)
        table = explain_by_cells(table, latents, StoreTokens.open(config.tokens), config.rendered, config.groups)
    settings = asdict(config) | {"atlas_id": atlas.atlas_id}
    write_results(config.out, {"differential": table}, settings, simulated=atlas.simulated)
    print(f"{config.out}{' (SIMULATED)' if atlas.simulated else ''}\n{table.head(10).round(3).to_string(index=False)}")


if __name__ == "__main__":
    run(main, Config)
