"""A checkpoint file to the state dict of a timm model, and back to words when it does not fit.

DinoBloom's Zenodo files hold `{"teacher": {"backbone.<name>": tensor, "dino_head...": ..., "ibot_head...": ...}}`, the
files on the model hub a plain DINOv2 state dict; timm's own files are plain as well. All three are read; nothing in
them is executed.
"""

from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from cytosae_core.errors import BackboneError

StateDict = dict[str, Tensor]

TORCH_SUFFIXES = (".pth", ".pt", ".bin")
"""Files that torch wrote: opened with weights_only, so that nothing in them runs."""
WRAPPERS = ("teacher", "state_dict", "model")
"""Keys under which training code puts the state dict."""
PREFIX = "backbone."
"""What DinoBloom writes before the names of the backbone, beside its heads."""
N_NAMED = 6
"""Names that an error lists before it only counts them."""


def read_checkpoint(path: Path) -> StateDict:
    """The backbone's tensors by DINOv2's names: heads and mask token dropped; BackboneError where there are none."""
    if not path.is_file():
        raise BackboneError(f"{path}: no such file; give the path of a .pth, .pt, .bin or .safetensors checkpoint")
    return _bare(path, _read(path))


def _read(path: Path) -> object:
    if path.suffix == ".safetensors":
        return _read_safetensors(path)
    if path.suffix in TORCH_SUFFIXES:
        return _read_torch(path)
    raise BackboneError(f"{path}: unknown kind of checkpoint; use .safetensors or {', '.join(TORCH_SUFFIXES)}")


def _read_safetensors(path: Path) -> StateDict:
    try:
        return load_file(path)
    except (SafetensorError, OSError) as error:
        raise BackboneError(f"{path}: not a whole safetensors file ({error}); download it again") from error


def _read_torch(path: Path) -> object:
    # Damaged and hostile files fail in torch with almost any exception; what they have in common is the remedy.
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise BackboneError(
            f"{path}: cannot be read as weights alone ({reason}); files that would run code are never loaded:"
            " download it again, or save its state dict with safetensors"
        ) from error


def _bare(path: Path, content: object) -> StateDict:
    for wrapper in WRAPPERS:
        if isinstance(content, Mapping) and isinstance(content.get(wrapper), Mapping):
            content = content[wrapper]
    tensors = {str(k): v for k, v in content.items() if isinstance(v, Tensor)} if isinstance(content, Mapping) else {}
    if not tensors:
        raise BackboneError(f"{path}: holds no tensors by name; give a checkpoint of a vision transformer")
    if any(name.startswith(PREFIX) for name in tensors):
        tensors = {k.removeprefix(PREFIX): v for k, v in tensors.items() if k.startswith(PREFIX)}
    # DINOv2's names are timm's, but for the gated MLP of ViT-g
    renamed = {k.replace(".mlp.w12.", ".mlp.fc1.").replace(".mlp.w3.", ".mlp.fc2."): v for k, v in tensors.items()}
    return {name: tensor for name, tensor in renamed.items() if name != "mask_token"}


def load_into(model: nn.Module, state: StateDict, source: str) -> None:
    """Copy `state` into `model`; BackboneError names the keys of every kind of misfit."""
    expected = model.state_dict()
    both = [name for name in expected if name in state]
    misfits = {
        "missing": [name for name in expected if name not in state],
        "unexpected": [name for name in state if name not in expected],
        "of another shape": [
            f"{name} {tuple(state[name].shape)} instead of {tuple(expected[name].shape)}"
            for name in both
            if state[name].shape != expected[name].shape
        ],
    }
    if any(misfits.values()):
        told = "; ".join(f"{kind} ({len(names)}): {_listed(names)}" for kind, names in misfits.items() if names)
        raise BackboneError(
            f"{source} does not fit {type(model).__name__} of {len(expected)} tensors: {told}."
            " Choose the backbone that the checkpoint was made for (DinoBloom S, B, L or G, at 224 px)"
        )
    broken = [name for name, tensor in state.items() if not bool(torch.isfinite(tensor).all())]
    if broken:
        raise BackboneError(f"{source}: NaN or infinite weights in {_listed(broken)}; download it again")
    model.load_state_dict({name: state[name].float() for name in expected}, strict=True)


def _listed(names: list[str]) -> str:
    more = f", ... {len(names) - N_NAMED} more" if len(names) > N_NAMED else ""
    return ", ".join(names[:N_NAMED]) + more
