"""The state of an unfinished run on disk: one file, the newest whole one, checked when it is read.

`training_state.safetensors` holds the tensors of `TrainingState`, and in its metadata the step, the seconds, the last
evaluation, the settings, and a digest of the tensors. A new one is written beside it and renamed over it: whatever
happens, and when the disk is full, the one before stays.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as to_bytes

from cytosae_core.artifacts.files import drop_unfinished, write_whole
from cytosae_core.artifacts.manifest import check_same_settings
from cytosae_core.errors import ArtifactError, FormatVersionError, TrainingError
from cytosae_core.sae.checkpoint import weights_digest
from cytosae_core.sae.config import SaeConfig
from cytosae_core.sae.model import SparseAutoencoder
from cytosae_core.sae.state import TrainingState, empty_state, put_tensors, to_tensors

STATE_NAME = "training_state.safetensors"
"""Name of the file in the folder of a run."""
FORMAT_VERSION = 1
"""Version of its content."""
_KEY = "run"


def save_state(state: TrainingState, settings: Mapping[str, Any], folder: Path) -> None:
    """Replace the state on disk; TrainingError where a weight is not finite, ArtifactError where the disk is full."""
    refuse_not_finite(state)
    tensors = to_tensors(state)
    record = {
        "format_version": FORMAT_VERSION,
        "step": state.step,
        "seconds": state.seconds,
        "evaluation": dict(state.evaluation),
        "settings": settings,
        "digest": weights_digest(tensors),
    }
    write_whole(folder, STATE_NAME, to_bytes(tensors, {_KEY: json.dumps(record)}))


def load_state(
    config: SaeConfig, settings: Mapping[str, Any], folder: Path, device: torch.device
) -> TrainingState | None:
    """The state that an earlier run left in `folder`, or None.

    Raises ArtifactError where it is damaged or was made with other settings, FormatVersionError where it was written
    by another version.
    """
    path = folder / STATE_NAME
    if not path.is_file():
        return None
    try:
        with safe_open(path, "pt") as file:
            record = json.loads((file.metadata() or {})[_KEY])
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - it is no mapping
    except (SafetensorError, OSError, ValueError, KeyError) as error:
        raise ArtifactError(f"{path} is damaged ({error}); delete it to start the run again") from error
    _check(record, settings, path)
    if weights_digest(tensors) != record["digest"]:
        raise ArtifactError(f"{path} was changed since it was written; delete it to start the run again")
    state = empty_state(SparseAutoencoder(config.d_in, config.d_sae, config.torch_dtype).to(device), config)
    put_tensors(state, tensors)
    state.step, state.evaluation = record["step"], record["evaluation"]
    state.began -= record["seconds"]
    return state


def drop_state(folder: Path) -> None:
    """Remove the state, and what killed runs were writing."""
    (folder / STATE_NAME).unlink(missing_ok=True)
    drop_unfinished(folder)


def refuse_not_finite(state: TrainingState) -> None:
    """Raise TrainingError, naming the weight, where one is NaN or infinite."""
    for name, weight in state.sae.named_parameters():
        if not bool(torch.isfinite(weight).all()):
            raise TrainingError(f"{name} holds values that are not finite after step {state.step}; {REMEDY}")


REMEDY = (
    "what was saved before stays as it is. Train in another folder with a lower learning_rate, or check the tokens with"
    " TokenStore.verify()"
)
"""What to do about a run that diverged."""


def _check(record: Mapping[str, Any], settings: Mapping[str, Any], path: Path) -> None:
    if record.get("format_version") != FORMAT_VERSION:
        raise FormatVersionError(
            f"{path} has format version {record.get('format_version')}, and this program reads {FORMAT_VERSION}; finish"
            " the run with the version that began it, or delete the file to start again"
        )
    check_same_settings(record["settings"], settings, path.parent)
