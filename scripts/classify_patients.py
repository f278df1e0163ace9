"""Tell patients' groups apart by their barcodes, next to baselines on the backbone's tokens, on the same folds."""

from dataclasses import asdict, dataclass, field
from pathlib import Path

from _cli import bar, run

from cytosae_core.artifacts.tables import write_results
from cytosae_core.method import TRAINING_DATASET
from cytosae_core.patients.bags import patient_bags, pool_tokens
from cytosae_core.patients.classification import ClassificationConfig, classify_patients, used_patients
from cytosae_core.patients.inputs import open_barcodes
from cytosae_core.patients.mil import MilConfig
from cytosae_core.tokens.source import StoreTokens


@dataclass(frozen=True, kw_only=True)
class Config(ClassificationConfig):
    """Which barcodes, which tokens for the baselines, and where to."""

    atlas: Path
    """Atlas with barcodes of patients."""
    training_dataset: str = TRAINING_DATASET
    """Data set of the atlas that the SAE was trained on: its mean activations decide which latents a threshold uses."""
    tokens: Path | None = None
    """Token store of the patients' images; without it, there are no baselines on tokens."""
    block: int | None = None
    """Block whose tokens are used, counted from 1; needed where the store holds several."""
    mil: MilConfig = field(default_factory=MilConfig)
    """The attention model."""
    out: Path
    """New folder for the tables."""


def main(config: Config) -> None:
    """Classify, write the tables, and print the scores."""
    atlas, barcodes = open_barcodes(config.atlas)
    mean = atlas.statistics(config.training_dataset)["mean_activation"].to_numpy(dtype="float64", na_value=float("nan"))
    bags = None
    if config.tokens is not None:
        tokens = StoreTokens.open(config.tokens, config.block)
        patients = used_patients(barcodes, config.min_images)
        bags = patient_bags(tokens.index, pool_tokens(tokens, bar("tokens")), patients)
    tables = classify_patients(
        barcodes, mean, bags, config=config, mil=config.mil, progress=bar("fits"), test_progress=bar("permutations")
    )
    settings = asdict(config) | {"atlas_id": atlas.atlas_id, "sae_id": atlas.sae_id}
    write_results(config.out, tables, settings, simulated=atlas.simulated)
    print(f"{config.out}{' (SIMULATED patients)' if atlas.simulated else ''}")
    print(tables["scores"].drop(columns=["family", "reading", "threshold"]).round(3).to_string(index=False))
    print(tables["permutation"].round(4).to_string(index=False))


if __name__ == "__main__":
    run(main, Config)
