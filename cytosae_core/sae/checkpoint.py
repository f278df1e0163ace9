"""Published checkpoints of sparse autoencoders: read without executing anything of them, kept as safetensors.

A published file is a `torch.save` of `{"cfg": <object>, "state_dict": {...}}` (or `config` for `cfg`). The object's
class belongs to the authors' training code; an empty stand-in takes its attributes, and only plain values are kept.
"""

import hashlib
import math
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from pickle import UnpicklingError  # noqa: TID251 - only the name of the error that torch raises; nothing is unpickled
from typing import Any
from zipfile import BadZipFile, ZipFile, is_zipfile

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from safetensors.torch import save as to_bytes

from cytosae_core.artifacts.folders import workspace
from cytosae_core.artifacts.manifest import Kind, json_bytes, read_manifest
from cytosae_core.errors import ArtifactError

WEIGHTS_NAME = "sae.safetensors"
CONFIG_NAME = "config.json"
FORMAT = "cytosae-sae"
FORMAT_VERSION = 1
_KIND = Kind(FORMAT, FORMAT_VERSION, "an SAE", "convert the checkpoint again")
PUBLISHED_CONFIG_CLASS = "src.sae_training.config.ViTSAERunnerConfig"
_CONFIG_KEYS = ("cfg", "config")
_SHAPES = {"W_enc": ("d_in", "d_sae"), "b_enc": ("d_sae",), "W_dec": ("d_sae", "d_in"), "b_dec": ("d_in",)}

_DAMAGE = (
    OSError, RuntimeError, EOFError, ValueError, LookupError, TypeError, AttributeError, BadZipFile, zlib.error,
)  # fmt: skip
"""What reading a damaged file ends in."""

Weights = Mapping[str, torch.Tensor]


class _PublishedConfig:
    """Stands in for the authors' configuration class: takes attributes, and has no code of its own."""


@dataclass(frozen=True)
class Checkpoint:
    """Weights of one sparse autoencoder and where they come from."""

    weights: Weights
    """float32 on the CPU: W_enc (d_in, d_sae), b_enc (d_sae,), W_dec (d_sae, d_in), b_dec (d_in,)."""
    provenance: Mapping[str, Any]
    """What the file says of its making, as plain JSON values."""

    @property
    def d_in(self) -> int:
        """Width of a token."""
        return int(self.weights["W_enc"].shape[0])

    @property
    def d_sae(self) -> int:
        """Number of latents."""
        return int(self.weights["W_enc"].shape[1])

    @property
    def sae_id(self) -> str:
        """`sae-<16 hex digits>`: the same weights have the same id, whatever file they lie in."""
        return f"sae-{weights_digest(self.weights)[:16]}"

    def latents_first(self) -> "Checkpoint":
        """The same weights, laid out as `latents_first` does."""
        return replace(self, weights=latents_first(self.weights))


def latents_first(weights: Weights) -> Weights:
    """The same weights, with `W_enc` (d_in, d_sae) laid out one latent per row.

    What picks single latents, such as the encoder of an atlas, then reads it where it lies and keeps no copy.
    """
    return {**weights, "W_enc": weights["W_enc"].T.contiguous().T}


def weights_digest(weights: Weights) -> str:
    """SHA-256, in hex, over name, type, shape and little-endian bytes of each tensor, sorted by name."""
    digest = hashlib.sha256()
    for name in sorted(weights):
        array = weights[name].detach().cpu().contiguous().numpy()
        digest.update(f"{name} {array.dtype.name} {list(array.shape)}\n".encode())
        digest.update(array.astype(array.dtype.newbyteorder("<"), copy=False).data)
    return digest.hexdigest()


def load_without_code(path: Path) -> Any:  # noqa: ANN401 - whatever plain data and tensors the file holds
    """Tensors and plain values of a `torch.save` file, on the CPU; nothing in the file is executed.

    Raises ArtifactError when the file is missing, cut off, or asks for anything but tensors, plain values and the
    published configuration class.
    """
    if not path.is_file():
        raise ArtifactError(f"{path} is missing; check the path, or download it again")
    try:
        _check_crc(path)
        with torch.serialization.safe_globals([(_PublishedConfig, PUBLISHED_CONFIG_CLASS)]):
            return torch.load(path, map_location="cpu", weights_only=True)
    except UnpicklingError as error:
        raise ArtifactError(
            f"{path} is refused, and nothing in it was executed: {_reason(error)}. "
            "Download it again from its authors; a file that asks for code is not one of theirs"
        ) from error
    except _DAMAGE as error:
        raise ArtifactError(
            f"{path} is cut off or damaged ({_reason(error)}); download it again and compare its size"
        ) from error


def read_published(path: Path) -> Checkpoint:
    """The checkpoint in a published `.pt` file; raises ArtifactError when it is none or its shapes do not fit."""
    content = load_without_code(path)
    if not isinstance(content, dict) or "state_dict" not in content:
        raise ArtifactError(f"{path} is not a published SAE: it has no 'state_dict'. Give the file of the release")
    config = next((content[key] for key in _CONFIG_KEYS if key in content), None)
    return Checkpoint(_checked(content["state_dict"], path), _plain_attributes(config))


def read_converted(folder: Path) -> Checkpoint:
    """The checkpoint that `save` wrote; raises ArtifactError when a file is missing, damaged or does not fit."""
    document = read_manifest(folder / CONFIG_NAME, _KIND)
    if {"provenance", "sae_id"} - document.keys():
        raise ArtifactError(f"{folder / CONFIG_NAME} does not describe an SAE; {_KIND.remedy}")
    try:
        weights = load_file(folder / WEIGHTS_NAME)
    except (OSError, ValueError, SafetensorError) as error:
        raise ArtifactError(f"{folder / WEIGHTS_NAME} holds no readable SAE ({error}); {_KIND.remedy}") from error
    checkpoint = Checkpoint(_checked(weights, folder / WEIGHTS_NAME), document["provenance"])
    if checkpoint.sae_id != document["sae_id"]:
        raise ArtifactError(
            f"{folder / WEIGHTS_NAME} has weights {checkpoint.sae_id}, {CONFIG_NAME} says {document['sae_id']}; "
            "convert the checkpoint again"
        )
    return checkpoint


def read_checkpoint(path: Path) -> Checkpoint:
    """A checkpoint in either form: a published file, or a folder that `save` wrote."""
    return read_converted(path) if path.is_dir() else read_published(path)


def save(checkpoint: Checkpoint, path: Path) -> None:
    """Publish the checkpoint as the folder `path`: `sae.safetensors` and `config.json`.

    Raises ConfigError when `path` exists, ArtifactError when the disk is full.
    """
    with workspace(path) as folder:
        for name, content in files_of(checkpoint).items():
            (folder / name).write_bytes(content)


def files_of(checkpoint: Checkpoint) -> dict[str, bytes]:
    """The bytes of `sae.safetensors` and `config.json`, by name."""
    document = {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "sae_id": checkpoint.sae_id,
        "d_in": checkpoint.d_in,
        "d_sae": checkpoint.d_sae,
        "activation": "relu",
        "provenance": dict(checkpoint.provenance),
    }
    # As bytes, because the library hides what the system said when the disk is full.
    return {WEIGHTS_NAME: to_bytes(dict(checkpoint.weights)), CONFIG_NAME: json_bytes(document)}


def _check_crc(path: Path) -> None:
    """Raise ValueError when a byte was changed on the way; torch itself does not look."""
    if is_zipfile(path):
        with ZipFile(path) as archive:
            damaged = archive.testzip()
        if damaged is not None:
            raise ValueError(f"the checksum of its part {damaged!r} does not fit")


def _checked(weights: object, path: Path) -> dict[str, torch.Tensor]:
    if not isinstance(weights, Mapping) or not all(isinstance(weights.get(name), torch.Tensor) for name in _SHAPES):
        raise ArtifactError(f"{path} lacks one of the tensors {list(_SHAPES)}; give the file of the release")
    kept: dict[str, torch.Tensor] = {name: weights[name].detach().float().contiguous() for name in _SHAPES}
    shapes = {name: tuple(tensor.shape) for name, tensor in kept.items()}
    if kept["W_enc"].ndim != 2:
        raise ArtifactError(f"{path}: W_enc has shape {shapes['W_enc']}, it must be (d_in, d_sae); give another file")
    widths = dict(zip(_SHAPES["W_enc"], shapes["W_enc"], strict=True))
    for name, letters in _SHAPES.items():
        expected = tuple(widths[letter] for letter in letters)
        if shapes[name] != expected:
            raise ArtifactError(
                f"{path}: {name} has shape {shapes[name]}, W_enc of shape {shapes['W_enc']} demands {expected}; "
                "the file does not hold one SAE: give the file of the release"
            )
        if not bool(torch.isfinite(kept[name]).all()):
            raise ArtifactError(f"{path}: {name} holds values that are not finite; download it again")
    return kept


def _plain_attributes(config: object) -> dict[str, Any]:
    """The plain values of a configuration; types and devices become their names, anything else is left out."""
    values: Mapping[Any, Any] = config if isinstance(config, Mapping) else getattr(config, "__dict__", {})
    return {str(key): _plain(value) for key, value in values.items() if _is_plain(value)}


def _is_plain(value: object) -> bool:
    if isinstance(value, list | tuple):
        return all(_is_plain(item) for item in value)
    return value is None or isinstance(value, bool | int | float | str | torch.dtype | torch.device)


def _plain(value: object) -> object:
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    is_special = isinstance(value, float) and not math.isfinite(value)
    return str(value) if is_special or isinstance(value, torch.dtype | torch.device) else value


def _reason(error: BaseException) -> str:
    """The part of torch's message that says what is wrong; the rest advises to switch the protection off."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    told = [line for line in lines if "GLOBAL" in line or "Unsupported" in line]
    return (told or lines or [type(error).__name__])[0].partition(" Please use")[0].rstrip(".")[:300]
