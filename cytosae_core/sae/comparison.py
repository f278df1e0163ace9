"""One table: autoencoders, each beside principal components with as many numbers per token, on held-out images."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from cytosae_core.artifacts.manifest import check_same_settings
from cytosae_core.errors import ArtifactError, ConfigError
from cytosae_core.progress import Progress, no_progress
from cytosae_core.sae.baselines import explained_by_components, n_components_at, principal_components
from cytosae_core.sae.checkpoint import read_converted
from cytosae_core.sae.metrics import evaluate
from cytosae_core.sae.model import SparseAutoencoder
from cytosae_core.sae.run_folder import read_run
from cytosae_core.tokens.source import StoreTokens
from cytosae_core.tokens.split import split_store
from cytosae_core.tokens.store import TokenStore

COLUMNS = (
    "model", "backbone", "block", "n_numbers", "explained_variance", "explained_variance_released", "n_concepts",
    "dead_share", "n_held_out", "simulated",
)  # fmt: skip
"""Columns of the table."""


class TrainedRun(NamedTuple):
    """A finished run and the tokens that it knew and did not know."""

    folder: Path
    """Where it lies."""
    manifest: Mapping[str, Any]
    """What it says of itself."""
    sae: SparseAutoencoder
    """Its weights."""
    training: StoreTokens
    """Images that it was trained on."""
    held_out: StoreTokens
    """Images that it was not trained on."""

    @property
    def tokens(self) -> Mapping[str, Any]:
        """What the manifest says of the tokens."""
        tokens: Mapping[str, Any] = self.manifest["tokens"]
        return tokens


def open_run(folder: Path, store_path: Path) -> TrainedRun:
    """A finished run with the store that it was trained on, split as it was then.

    Raises ArtifactError where the run is not finished or the store is another one, ConfigError where no image was
    held out.
    """
    manifest = read_run(folder)
    if manifest is None:
        raise ArtifactError(f"{folder} holds no finished run; train with scripts/train_sae.py, or let it finish")
    record = manifest["tokens"].get("held_out")
    if not record or not record["n_images"]:
        raise ConfigError(f"{folder} was trained on all images; train with a held-out share above 0 to compare it")
    split = split_store(TokenStore.open(store_path, manifest["tokens"]["block"]), record["share"], record["seed"])
    check_same_settings(manifest["tokens"], split.train.identity, folder)
    if split.held_out is None:
        raise ConfigError(f"{folder} holds out no image of {store_path}; train with a larger held-out share")
    sae = SparseAutoencoder.of(read_converted(folder).weights)
    return TrainedRun(folder, manifest, sae, split.train, split.held_out)


def compare(runs: Mapping[str, TrainedRun], progress: Progress = no_progress) -> pd.DataFrame:
    """Two rows per run, the autoencoder's and that of the components at its L0, with the columns `COLUMNS`.

    `runs` is by the name that the table gives them; `progress` counts runs. Raises ConfigError where two runs hold out
    different images, for their figures could not be compared.
    """
    _refuse_other_images(runs)
    rows: list[dict[str, Any]] = []
    for n_done, (name, run) in enumerate(runs.items(), start=1):
        rows += _rows(name, run)
        progress(n_done, len(runs))
    return pd.DataFrame(rows, columns=list(COLUMNS)).astype({"n_concepts": "Int64"})


def _rows(name: str, run: TrainedRun) -> list[dict[str, Any]]:
    found = evaluate(run.sae, run.held_out)
    n_components = n_components_at(found.l0, run.sae.d_in)
    curve = explained_by_components(principal_components(run.training), run.held_out)
    both = {
        "backbone": run.tokens["backbone"],
        "block": run.tokens["block"],
        "n_held_out": found.n_images,
        "simulated": run.manifest["simulated"],
    }
    components = {"n_numbers": float(n_components), "explained_variance": float(curve[n_components])}
    names = ("explained_variance", "explained_variance_released", "n_concepts", "dead_share")
    figures = {figure: getattr(found, figure) for figure in names}
    return [
        {"model": name, **both, "n_numbers": found.l0, **figures},
        {"model": f"{name}: PCA at its L0", **both, **components},
    ]


def _refuse_other_images(runs: Mapping[str, TrainedRun]) -> None:
    seen = {name: (run.tokens["fingerprint"], run.tokens["held_out"]) for name, run in runs.items()}
    first = next(iter(seen), None)
    for name, images in seen.items():
        if first is not None and images != seen[first]:
            raise ConfigError(
                f"{name!r} holds out other images ({images}) than {first!r} ({seen[first]}), so their figures cannot "
                "be compared; train on tokens of the same images with the same held-out share and seed"
            )
