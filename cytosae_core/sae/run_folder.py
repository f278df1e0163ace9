"""The folder of a finished run: weights, configuration, manifest. The manifest is written last and makes it one.

<run>/sae.safetensors  the four weights, float32
<run>/config.json      format, sae_id, widths, and what they were trained on and how
<run>/manifest.json    settings, figures, versions, and the files with size and sha256
<run>/metrics.parquet  and whatever else the observers wrote
"""

import datetime as dt
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from cytosae_core.artifacts.files import describe, listed, write_whole
from cytosae_core.artifacts.manifest import MANIFEST, Kind, json_bytes, library_versions, plain_document, read_manifest
from cytosae_core.sae.checkpoint import Checkpoint, files_of
from cytosae_core.sae.config import SaeConfig
from cytosae_core.sae.state import TrainingState
from cytosae_core.tokens.source import TokenSource

FORMAT = "cytosae-sae-run"
"""Kind of the artifact."""
FORMAT_VERSION = 1
"""Version of its format."""
_KIND = Kind(FORMAT, FORMAT_VERSION, "a training run", "train again in another folder")


def settings_of(config: SaeConfig, tokens: TokenSource) -> dict[str, Any]:
    """All that decides the weights of a run, as a JSON document: {"config": ..., "tokens": ...}."""
    return plain_document({"config": asdict(config), "tokens": dict(tokens.identity)})


def publish_run(state: TrainingState, config: SaeConfig, settings: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """Write weights, configuration and, last, the manifest, which comes back; safe to repeat after a kill."""
    checkpoint = checkpoint_of(state, settings)
    for name, content in files_of(checkpoint).items():
        write_whole(folder, name, content)
    n_images = state.step * config.batch_images
    names = sorted(
        path.name
        for path in folder.iterdir()
        if path.is_file() and not path.name.startswith((".", "training_state")) and path.name != MANIFEST
    )
    manifest = {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "sae_id": checkpoint.sae_id,
        **settings,
        "simulated": settings["tokens"]["simulated"],
        "seed": config.seed,
        "d_in": config.d_in,
        "d_sae": config.d_sae,
        "n_steps": state.step,
        "n_images": n_images,
        "n_tokens": n_images * settings["tokens"]["shape"][1],
        "seconds": state.seconds,
        "device": str(state.device),
        "evaluation": dict(state.evaluation),
        "files": listed(describe(folder, names).values()),
        "versions": library_versions(),
        "created_at": dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
    }
    write_whole(folder, MANIFEST, json_bytes(manifest))
    return manifest


def read_run(folder: Path) -> dict[str, Any] | None:
    """The manifest of a finished run; None where the folder holds none. Raises ArtifactError where it is damaged."""
    path = folder / MANIFEST
    return read_manifest(path, _KIND) if path.is_file() else None


def checkpoint_of(state: TrainingState, settings: Mapping[str, Any]) -> Checkpoint:
    """The weights as they are published: float32, on the CPU, with the settings as their provenance."""
    weights = {name: weight.detach().float().cpu().contiguous() for name, weight in state.sae.named_parameters()}
    return Checkpoint(weights, {**settings, "simulated": settings["tokens"]["simulated"]})
