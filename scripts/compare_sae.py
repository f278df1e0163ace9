"""Compare an SAE with PCA at its L0, and with an SAE on the tokens of a randomly initialised backbone."""

from dataclasses import dataclass
from pathlib import Path

from _cli import bar, run

from cytosae_core import markdown
from cytosae_core.artifacts.files import write_whole
from cytosae_core.artifacts.tables import SIMULATED_IMAGES, csv_bytes
from cytosae_core.errors import ConfigError
from cytosae_core.sae.comparison import compare, open_run


@dataclass(frozen=True)
class Config:
    """Finished runs and the stores that they were trained on."""

    run: Path
    """Folder of the run, as train_sae.py wrote it."""
    tokens: Path
    """Token store that it was trained on."""
    random_run: Path | None = None
    """Folder of a run on the tokens of a random backbone, for the same images."""
    random_tokens: Path | None = None
    """Token store that it was trained on."""
    out: Path | None = None
    """CSV file to write the table to."""


def main(config: Config) -> None:
    """Print the table, and write it where it was asked for."""
    if (config.random_run is None) != (config.random_tokens is None):
        raise ConfigError("--random-run and --random-tokens belong together; give both, or none")
    runs = {"SAE": open_run(config.run, config.tokens)}
    if config.random_run and config.random_tokens:
        runs["SAE, random backbone"] = open_run(config.random_run, config.random_tokens)
    table = compare(runs, bar("runs"))
    if table["simulated"].any():
        print(SIMULATED_IMAGES)
    print(markdown.table(table))
    print("n_numbers: L0 of an SAE, components of PCA. On held-out images; variance centred unless it says released.")
    if config.out is not None:
        write_whole(config.out.parent, config.out.name, csv_bytes(table))


if __name__ == "__main__":
    run(main, Config)
