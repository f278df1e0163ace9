"""What runs the forward pass: PyTorch as it is, compiled, or OpenVINO where it is installed.

`auto` takes the fastest that was measured (BENCHMARKS.md): OpenVINO on a CPU that has it, else PyTorch. All of them
compute the same function; the manifest of a token store says which one it was.
"""

import warnings
from collections.abc import Callable, Sequence
from importlib import import_module
from importlib.util import find_spec
from typing import Any, Literal

import torch
from torch import Tensor

from cytosae_core.backbone.residual import Precision, ResidualStream, autocast, resolve_precision
from cytosae_core.backbone.vit import Backbone
from cytosae_core.errors import ConfigError

Runtime = Literal["auto", "torch", "compile", "openvino"]
"""Name of a runtime, as on the command line."""
Forward = Callable[[Tensor], tuple[Tensor, ...]]
"""Normalised images (n, 3, size, size) on the backbone's device -> tokens (n, n_tokens, d) per block."""


def resolve_runtime(runtime: Runtime, device: torch.device, precision: Precision = "auto") -> Runtime:
    """What "auto" means on this machine; ConfigError where OpenVINO is missing or cannot do what is asked."""
    is_float32 = resolve_precision(precision, device) == "float32"
    has_openvino = device.type == "cpu" and is_float32 and find_spec("openvino") is not None
    if runtime == "auto":
        return "openvino" if has_openvino else "torch"
    if runtime == "openvino" and not has_openvino:
        raise ConfigError(
            f"runtime 'openvino' on {device.type} in precision {precision!r}: it needs the package openvino"
            " (pip install openvino), a CPU and float32; or use runtime 'torch'"
        )
    return runtime


def make_forward(
    backbone: Backbone, blocks: Sequence[int], runtime: Runtime = "auto", precision: Precision = "auto"
) -> Forward:
    """A forward pass without gradients; compiling happens here or at its first call, and takes up to a minute."""
    stream = ResidualStream(backbone, blocks).eval()
    chosen = resolve_runtime(runtime, backbone.device, precision)
    if chosen == "openvino":
        return _openvino(backbone, stream)
    module = torch.compile(stream) if chosen == "compile" else stream

    @torch.inference_mode()
    def forward(images: Tensor) -> tuple[Tensor, ...]:
        with autocast(precision, backbone.device):
            return tuple(module(images))

    return forward


def _openvino(backbone: Backbone, stream: ResidualStream) -> Forward:
    openvino: Any = import_module("openvino")  # an optional package: it must not be needed to read this file
    example = torch.zeros(2, 3, backbone.image_size, backbone.image_size)
    with warnings.catch_warnings(), torch.no_grad():
        # OpenVINO traces with functions that torch deprecates; that is between those two, and the outputs are tested.
        warnings.simplefilter("ignore")
        converted = openvino.convert_model(stream, example_input=example)
    # Full precision on purpose: newer CPUs would silently use bfloat16.
    compiled = openvino.compile_model(converted, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})

    def forward(images: Tensor) -> tuple[Tensor, ...]:
        outputs = compiled(images.numpy())
        return tuple(torch.from_numpy(outputs[index]) for index in range(len(stream.indices)))

    return forward
