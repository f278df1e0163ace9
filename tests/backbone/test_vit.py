"""Checkpoints in DinoBloom's form give the residual stream of DINOv2, and misfits are named."""

import shutil

import pytest
import torch
from safetensors.torch import save_file

from cytosae_core.backbone.residual import tokens_at
from cytosae_core.backbone.vit import describe, load_backbone, random_backbone
from cytosae_core.errors import BackboneError
from tests.backbone.conftest import TOY, TOY_ARGUMENTS
from tests.backbone.reference import Shape, dinobloom_file, make_weights, residual_stream

TOLERANCE = 1e-4


def images(n_images, size, seed=3):
    return torch.randn(n_images, 3, size, size, generator=torch.Generator().manual_seed(seed))


def worst_difference(backbone, weights, shape, n_images=2):
    """Largest difference from the reference over all blocks, when all are asked for at once."""
    batch = images(n_images, backbone.image_size)
    expected = residual_stream(weights, shape, batch)
    got = tokens_at(backbone, batch, range(1, shape.n_blocks + 1))
    return max(float((got[block] - stream).abs().max()) for block, stream in enumerate(expected, start=1))


def saved(tmp_path, content, name="model.pth"):
    torch.save(content, tmp_path / name)
    return tmp_path / name


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "shape"),
    [("dinobloom-s", Shape(384, 12, 6)), ("dinobloom-b", Shape(768, 12, 12))],
    ids=["S", "B"],
)
def test_every_block_of_the_published_shapes_gives_the_stream_of_the_reference(tmp_path, name, shape):
    weights = make_weights(shape, seed=7)
    backbone = load_backbone(name, saved(tmp_path, dinobloom_file(weights)))
    assert (backbone.n_tokens, backbone.d_model, backbone.n_blocks) == (257, shape.d_model, 12)
    assert worst_difference(backbone, weights, shape) < TOLERANCE


@pytest.mark.slow
def test_the_gated_blocks_of_g_give_the_stream_of_the_reference(tmp_path):
    # The blocks of ViT-g at their full width of 1536 with 24 heads and SwiGLU of width 4096, 2 of its 40.
    shape = Shape(1536, 2, 24, is_gated=True, mlp_width=4096)
    weights = make_weights(shape, seed=8)
    backbone = load_backbone("dinobloom-g", saved(tmp_path, dinobloom_file(weights)), depth=2)
    assert worst_difference(backbone, weights, shape, n_images=1) < TOLERANCE


@pytest.mark.parametrize("form", ["zenodo", "hub", "safetensors"])
def test_every_published_form_of_a_checkpoint_gives_the_same_tokens(tmp_path, toy_weights, form):
    path = tmp_path / {"zenodo": "a.pth", "hub": "pytorch_model_s.bin", "safetensors": "a.safetensors"}[form]
    if form == "safetensors":
        save_file(toy_weights, path)
    else:
        torch.save(dinobloom_file(toy_weights) if form == "zenodo" else toy_weights, path)
    backbone = load_backbone("dinobloom-s", path, **TOY_ARGUMENTS)
    assert worst_difference(backbone, toy_weights, TOY) < TOLERANCE


def test_the_comparison_fails_when_layerscale_is_left_at_one(toy_weights, toy_checkpoint):
    backbone = load_backbone("dinobloom-s", toy_checkpoint, **TOY_ARGUMENTS)
    for name, parameter in backbone.model.named_parameters():
        if name.endswith("gamma"):
            parameter.fill_(1.0)
    assert worst_difference(backbone, toy_weights, TOY) > 100 * TOLERANCE


def test_the_comparison_fails_when_the_final_norm_is_applied(toy_weights, toy_checkpoint):
    backbone = load_backbone("dinobloom-s", toy_checkpoint, **TOY_ARGUMENTS)
    plain = backbone.model.forward_intermediates

    def with_norm(x, **arguments):
        return plain(x, **(arguments | {"norm": True}))

    backbone.model.forward_intermediates = with_norm
    assert worst_difference(backbone, toy_weights, TOY) > 100 * TOLERANCE


def test_the_comparison_fails_at_the_next_block(toy_weights, toy_checkpoint):
    backbone = load_backbone("dinobloom-s", toy_checkpoint, **TOY_ARGUMENTS)
    batch = images(1, 28)
    got, expected = tokens_at(backbone, batch, [3])[3], residual_stream(toy_weights, TOY, batch)
    assert float((got - expected[2]).abs().max()) < TOLERANCE
    assert float((got - expected[3]).abs().max()) > 100 * TOLERANCE


def test_the_comparison_fails_when_the_patch_grid_is_transposed(toy_weights, toy_checkpoint):
    backbone = load_backbone("dinobloom-s", toy_checkpoint, **TOY_ARGUMENTS)
    batch = images(1, 28)
    got, expected = tokens_at(backbone, batch, [4])[4], residual_stream(toy_weights, TOY, batch)[3]
    grid = got[:, 1:].reshape(1, 2, 2, -1)
    transposed = torch.cat([got[:, :1], grid.transpose(1, 2).reshape(1, 4, -1)], dim=1)
    assert float((got - expected).abs().max()) < TOLERANCE
    assert float((transposed - expected).abs().max()) > 100 * TOLERANCE


def test_missing_unexpected_and_misshapen_tensors_are_named(tmp_path, toy_weights):
    broken = dict(toy_weights)
    del broken["blocks.2.ls1.gamma"]
    broken["blocks.9.ls1.gamma"] = torch.ones(32)
    broken["pos_embed"] = torch.zeros(1, 1370, 32)
    with pytest.raises(BackboneError) as caught:
        load_backbone("dinobloom-s", saved(tmp_path, dinobloom_file(broken)), **TOY_ARGUMENTS)
    message = str(caught.value)
    assert "missing (1): blocks.2.ls1.gamma" in message
    assert "unexpected (1): blocks.9.ls1.gamma" in message
    assert "of another shape (1): pos_embed (1, 1370, 32) instead of (1, 5, 32)" in message
    assert "Choose the backbone that the checkpoint was made for" in message


def test_many_misfits_are_counted_rather_than_listed(tmp_path, toy_checkpoint):
    with pytest.raises(BackboneError, match=r"of another shape \(12\): .*, \.\.\. 6 more"):
        load_backbone("dinobloom-g", toy_checkpoint, **TOY_ARGUMENTS)


def test_a_file_that_would_run_code_is_refused(tmp_path):
    path = saved(tmp_path, {"teacher": print})
    with pytest.raises(BackboneError, match="files that would run code are never loaded"):
        load_backbone("dinobloom-s", path)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("cut.pth", b"PK\x03\x04 half of it", "cannot be read as weights alone"),
        ("cut.safetensors", b"\x00\x01", "not a whole safetensors file"),
        ("model.onnx", b"", "unknown kind of checkpoint"),
    ],
)
def test_damaged_files_are_refused_with_a_remedy(tmp_path, name, content, message):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(BackboneError, match=message):
        load_backbone("dinobloom-s", tmp_path / name)


def test_a_checkpoint_without_tensors_is_refused(tmp_path):
    with pytest.raises(BackboneError, match="holds no tensors by name"):
        load_backbone("dinobloom-s", saved(tmp_path, {"epoch": 3}))


def test_weights_that_are_not_numbers_are_refused(tmp_path, toy_weights):
    broken = toy_weights | {"norm.bias": torch.full((32,), float("nan"))}
    with pytest.raises(BackboneError, match=r"NaN or infinite weights in norm\.bias"):
        load_backbone("dinobloom-s", saved(tmp_path, broken), **TOY_ARGUMENTS)


def test_published_weights_are_never_replaced_by_random_ones():
    with pytest.raises(BackboneError, match="dinobloom-b needs a checkpoint"):
        load_backbone("dinobloom-b")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("nothing_like_it", "there is no backbone 'nothing_like_it'; choose one of dinobloom-s"),
        ("resnet10t", "is no plain vision transformer"),
        ("vit_base_patch16_siglip_224", "has no CLS token"),
    ],
)
def test_models_that_cannot_work_are_refused_by_name(name, message):
    with pytest.raises(BackboneError, match=message):
        random_backbone(name, seed=0)


def test_a_missing_network_is_told_in_one_sentence(monkeypatch, tmp_path):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(BackboneError, match="with no network, pass a local checkpoint"):
        load_backbone("vit_tiny_patch16_224")


def test_a_timm_model_with_registers_gives_cls_and_patches_only():
    backbone = random_backbone("vit_base_patch14_reg4_dinov2", seed=0, **TOY_ARGUMENTS)
    assert (backbone.n_prefix, backbone.n_tokens) == (5, 5)
    batch = images(1, 28)
    got = tokens_at(backbone, batch, [4])[4]
    patches, prefix = backbone.model.forward_intermediates(
        batch, indices=[3], return_prefix_tokens=True, output_fmt="NLC", intermediates_only=True
    )[0]
    assert torch.equal(got[:, 0], prefix[:, 0])
    assert torch.equal(got[:, 1:], patches)


def test_a_timm_model_keeps_its_own_normalisation():
    assert random_backbone("vit_tiny_patch16_224", seed=0, depth=1).mean == (0.5, 0.5, 0.5)


def test_the_identity_follows_the_weights_and_not_the_file(tmp_path, toy_weights, toy_checkpoint):
    first = load_backbone("dinobloom-s", toy_checkpoint, **TOY_ARGUMENTS)
    moved = shutil.copy(toy_checkpoint, tmp_path / "elsewhere.pth")
    plain = saved(tmp_path, toy_weights, "plain.pth")
    other = saved(tmp_path, toy_weights | {"norm.bias": toy_weights["norm.bias"] + 1e-6}, "other.pth")
    ids = [load_backbone("dinobloom-s", path, **TOY_ARGUMENTS).backbone_id for path in (moved, plain, other)]
    assert ids[0] == ids[1] == first.backbone_id != ids[2]


def test_the_identity_follows_the_number_of_heads(toy_checkpoint):
    two = load_backbone("dinobloom-s", toy_checkpoint, **TOY_ARGUMENTS)
    four = load_backbone("dinobloom-s", toy_checkpoint, **(TOY_ARGUMENTS | {"num_heads": 4}))
    assert two.backbone_id != four.backbone_id


def test_random_backbones_are_equal_for_equal_seeds_and_leave_the_global_seed_alone():
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    first, again, other = (random_backbone("dinobloom-s", seed, **TOY_ARGUMENTS).backbone_id for seed in (1, 1, 2))
    assert first == again != other
    assert torch.equal(torch.rand(1), expected)


def test_a_backbone_holds_no_gradients(toy_backbone):
    assert not any(parameter.requires_grad for parameter in toy_backbone.model.parameters())
    assert not toy_backbone.model.training
    assert describe("again", toy_backbone.model).backbone_id == toy_backbone.backbone_id
