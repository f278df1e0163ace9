"""Plot the curves of a finished training run: an HTML page, or a PNG where kaleido and a browser are installed."""

from dataclasses import dataclass
from pathlib import Path

from _cli import run

from cytosae_core.artifacts.files import write_whole
from cytosae_core.errors import ArtifactError, ConfigError
from cytosae_core.sae.curves import page_of, plot_curves, write_picture
from cytosae_core.sae.logs import read_metrics
from cytosae_core.sae.run_folder import read_run


@dataclass(frozen=True)
class Config:
    """Which run, and where to."""

    run: Path
    """Folder of the run, as train_sae.py or sweep.py wrote it."""
    out: Path
    """File to write: .html or .png."""


def main(config: Config) -> None:
    """Write the file and say so."""
    manifest = read_run(config.run)
    if manifest is None:
        raise ArtifactError(f"{config.run} holds no finished run; let it finish, or give the folder of another")
    figure = plot_curves(read_metrics(config.run), config.run.name, simulated=manifest["simulated"])
    if config.out.suffix == ".png":
        write_picture(figure, config.out)
    elif config.out.suffix == ".html":
        write_whole(config.out.parent, config.out.name, page_of(figure))
    else:
        raise ConfigError(f"{config.out} is neither .html nor .png; name one of these")
    print(config.out)


if __name__ == "__main__":
    run(main, Config)
