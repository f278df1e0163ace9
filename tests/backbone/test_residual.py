"""Blocks that were asked for, no others; runtimes that agree."""

import importlib.util

import numpy as np
import pytest
import torch
from PIL import Image

from cytosae_core.backbone.residual import check_blocks, normalise_batch, resolve_precision, tokens_at
from cytosae_core.backbone.runtime import make_forward, resolve_runtime
from cytosae_core.errors import ConfigError
from cytosae_core.images.transforms import resize_rgb
from tests.pixels import IMAGENET_MEAN, IMAGENET_STD, normalise


@pytest.fixture
def batch(toy_backbone):
    rng = np.random.default_rng(0)
    return normalise_batch(rng.integers(0, 256, (3, 28, 28, 3), dtype=np.uint8), toy_backbone)


@pytest.mark.parametrize(("blocks", "n_computed"), [([1], 1), ([2], 2), ([4], 4), ([1, 3], 3), ([3, 1, 3], 3)])
def test_no_block_is_computed_that_nobody_asked_for(toy_backbone, batch, blocks, n_computed):
    calls = []
    hooks = [
        block.register_forward_hook(lambda *_, index=index: calls.append(index))
        for index, block in enumerate(toy_backbone.model.blocks)
    ]
    tokens = tokens_at(toy_backbone, batch, blocks)
    for hook in hooks:
        hook.remove()
    assert calls == list(range(n_computed))
    assert list(tokens) == sorted(set(blocks))


def test_several_blocks_in_one_pass_equal_each_alone(toy_backbone, batch):
    together = tokens_at(toy_backbone, batch, [4, 1, 2])
    for block in (1, 2, 4):
        assert together[block].shape == (3, 5, 32)
        assert torch.equal(together[block], tokens_at(toy_backbone, batch, [block])[block])


@pytest.mark.parametrize("blocks", [[], [0], [5], [1, -1]])
def test_blocks_that_do_not_exist_are_refused(blocks):
    with pytest.raises(ConfigError, match=r"choose from 1 \(the first\) to 4 \(the last\)"):
        check_blocks(blocks, 4)


def test_images_of_another_shape_are_refused(toy_backbone):
    with pytest.raises(ConfigError, match=r"images of shape \(1, 3, 224, 224\): .* takes \(n, 3, 28, 28\)"):
        tokens_at(toy_backbone, torch.zeros(1, 3, 224, 224), [1])


def test_normalising_is_the_formula_of_every_pixel(toy_backbone):
    rgb = np.array(Image.effect_noise((28, 28), 80).convert("RGB"))[None]
    ours = normalise_batch(rgb, toy_backbone)
    assert ours.dtype == torch.float32
    assert np.abs(ours.numpy() - normalise(rgb)).max() < 1e-6
    for channel in range(3):
        for row, column in ((0, 0), (5, 7), (2, 3)):
            value = (int(rgb[0, row, column, channel]) / 255 - IMAGENET_MEAN[channel]) / IMAGENET_STD[channel]
            assert ours[0, channel, row, column].item() == pytest.approx(value, abs=1e-5)


@pytest.mark.parametrize("size", [16, 224])
@pytest.mark.parametrize("shape", [(288, 288, 3), (363, 360, 3), (100, 240, 3)])
def test_model_input_is_that_of_torchvision_exactly(toy_backbone, shape, size):
    transforms = pytest.importorskip("torchvision.transforms")
    image = Image.fromarray(np.random.default_rng(1).integers(0, 256, shape, dtype=np.uint8))
    reference = transforms.Compose(
        [
            transforms.Resize((size, size), transforms.InterpolationMode.BILINEAR, antialias=True),
            transforms.ToTensor(),
            transforms.Normalize(IMAGENET_MEAN, IMAGENET_STD),
        ]
    )(image)
    ours = normalise_batch(np.array(resize_rgb(image, size))[None], toy_backbone)[0]
    assert (tuple(ours.shape), ours.dtype) == ((3, size, size), torch.float32)
    assert (ours - reference).abs().max() <= 1e-6


def test_a_cpu_computes_in_float32_and_a_gpu_in_float16():
    assert resolve_precision("auto", torch.device("cpu")) == "float32"
    assert resolve_precision("auto", torch.device("cuda")) == "float16"
    assert resolve_precision("bfloat16", torch.device("cuda")) == "bfloat16"


def test_bfloat16_gives_about_the_same_tokens_in_float32(toy_backbone, batch):
    exact, rough = (tokens_at(toy_backbone, batch, [4], precision)[4] for precision in ("float32", "bfloat16"))
    assert rough.dtype == torch.float32
    assert not torch.equal(exact, rough)
    assert float((exact - rough).abs().max()) < 0.05 * float(exact.abs().max())


def test_the_plain_runtime_is_the_plain_pass(toy_backbone, batch):
    got = make_forward(toy_backbone, [2, 4], "torch")(batch)
    expected = tokens_at(toy_backbone, batch, [2, 4])
    assert torch.equal(got[0], expected[2])
    assert torch.equal(got[1], expected[4])


@pytest.mark.skipif(importlib.util.find_spec("openvino") is None, reason="OpenVINO is an optional package")
def test_openvino_gives_the_same_tokens(toy_backbone, batch):
    got = make_forward(toy_backbone, [2, 4], "openvino")(batch)
    for tokens, expected in zip(got, tokens_at(toy_backbone, batch, [2, 4]).values(), strict=True):
        assert float((tokens - expected).abs().max()) < 1e-4
    assert make_forward(toy_backbone, [1], "openvino")(batch[:1])[0].shape == (1, 5, 32)


@pytest.mark.slow
def test_the_compiled_runtime_gives_the_same_tokens(toy_backbone, batch):
    got = make_forward(toy_backbone, [2], "compile")(batch)
    assert float((got[0] - tokens_at(toy_backbone, batch, [2])[2]).abs().max()) < 1e-4


def test_openvino_is_the_default_on_a_cpu_that_has_it_and_only_there(monkeypatch):
    cpu, gpu = torch.device("cpu"), torch.device("cuda")
    monkeypatch.setattr("cytosae_core.backbone.runtime.find_spec", lambda name: object())
    assert (resolve_runtime("auto", cpu), resolve_runtime("auto", gpu)) == ("openvino", "torch")
    assert resolve_runtime("auto", cpu, "bfloat16") == "torch"
    monkeypatch.setattr("cytosae_core.backbone.runtime.find_spec", lambda name: None)
    assert resolve_runtime("auto", cpu) == "torch"
    with pytest.raises(ConfigError, match="pip install openvino"):
        resolve_runtime("openvino", cpu)
