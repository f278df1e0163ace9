"""Pictures, masks and windows stay in register."""

import numpy as np
import pytest
import timm
import torch

from cytosae_core.backbone.vit import SMALL_ARCHITECTURE, SMALL_SHAPE
from cytosae_core.errors import ConfigError
from cytosae_core.geometry import GRID
from cytosae_core.small_backbone import augment
from cytosae_core.small_backbone.config import TrainingPhase
from cytosae_core.small_backbone.student import Student, Window, start_student
from cytosae_core.small_backbone.train import random_window, rate


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def test_a_mask_is_turned_and_shifted_as_its_picture_is():
    blob = torch.zeros(1, 1, 224, 224)
    blob[:, :, 60:130, 90:180] = 1
    view = augment.random_view(1, generator(4))._replace(gain=torch.ones(1, 3, 1, 1), contrast=torch.ones(1, 1, 1, 1))
    seen = augment.look(blob.expand(1, 3, -1, -1), augment.grid_of(view, 224), view)
    small = torch.nn.functional.interpolate(blob, (56, 56), mode="area")
    covered = augment.coverage(small, view, GRID)[0, :, :, 0]
    mean, std = torch.tensor(augment.IMAGENET_MEAN[0]), torch.tensor(augment.IMAGENET_STD[0])
    of_picture = torch.nn.functional.avg_pool2d(seen[:, :1] * std + mean, 14)[0, 0]
    assert (of_picture - covered).abs().mean() < 0.02
    assert covered.max() > 0.9


def test_a_plain_view_is_the_normalised_picture():
    picture = torch.rand(2, 3, 224, 224, generator=generator())
    view = augment.plain_view(2)
    seen = augment.look(picture, augment.grid_of(view, 224), view)
    mean, std = (torch.tensor(v).view(1, 3, 1, 1) for v in (augment.IMAGENET_MEAN, augment.IMAGENET_STD))
    assert torch.allclose(seen, (picture - mean) / std, atol=1e-2)


def test_the_whole_window_gives_the_tokens_that_timm_gives():
    torch.manual_seed(0)
    student = Student().eval()
    vit = timm.create_model(SMALL_ARCHITECTURE, num_classes=0, **SMALL_SHAPE).eval()
    vit.load_state_dict(student.vit.state_dict())
    pixels = torch.randn(2, 3, 224, 224, generator=generator())
    patches, cls = vit.forward_intermediates(
        pixels, indices=[10], return_prefix_tokens=True, norm=False, output_fmt="NLC", intermediates_only=True
    )[0]
    with torch.inference_mode():
        tokens = student(pixels, Window(0, 0, GRID))
    assert torch.allclose(tokens.deep, torch.cat((cls, patches), 1), atol=1e-4)
    assert torch.allclose(tokens.final, vit.forward_features(pixels), atol=1e-4)


def test_a_window_cuts_pixels_and_patches_at_the_same_place():
    window = Window(2, 5, 3)
    pixels = torch.arange(224 * 224).view(1, 224, 224, 1).float()
    corners = pixels[:, ::14, ::14]
    assert torch.equal(window.cut(pixels)[:, ::14, ::14].flatten(1, 2), window.cut_patches(corners))


@pytest.mark.parametrize("side", [2, 9, 14, 16])
def test_a_random_window_lies_inside_the_grid(side):
    windows = [random_window(side, generator(seed)) for seed in range(40)]
    assert all(0 <= min(w.row, w.col) <= max(w.row, w.col) <= GRID - side for w in windows)
    assert len(set(windows)) > (0 if side == GRID else 1)


def test_the_first_patch_embedding_whitens_patches():
    mixing = torch.randn(588, 588, generator=generator(1)) * torch.linspace(3, 0.1, 588)
    patches = torch.randn(6000, 588, generator=generator(2)) @ mixing.T * 0.1 + 0.5
    student = Student()
    start_student(student, patches)
    proj = student.vit.patch_embed.proj
    embedded = patches @ proj.weight.detach().flatten(1).T + proj.bias.detach()
    covariance = np.cov(embedded.numpy().T)
    assert np.abs(embedded.mean(0).numpy()).max() < 1e-3
    assert np.abs(covariance - np.diag(np.diag(covariance))).max() < 0.01
    assert np.diag(covariance).min() > 0.3
    assert np.diag(covariance).max() <= 1.01


def test_the_learning_rate_rises_and_then_falls_to_its_last_share():
    phase = TrainingPhase(n_steps=100, window=9, batch=4, learning_rate=1e-3, last_rate=0.25, warm_up=10)
    rates = [rate(step, phase) for step in range(100)]
    assert rates[0] == pytest.approx(1e-4)
    assert max(rates) == pytest.approx(1e-3)
    assert rates[-1] == pytest.approx(0.25e-3, rel=0.01)
    assert rates[10:] == sorted(rates[10:], reverse=True)


def test_a_window_wider_than_the_image_is_refused():
    with pytest.raises(ConfigError, match="window is 17 patches; give 2 to 16"):
        TrainingPhase(n_steps=1, window=17, batch=1, learning_rate=1e-3)
