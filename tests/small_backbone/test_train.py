"""The small backbone's training goes on where it was stopped, and ends in a file that loads like any other."""

import json

import numpy as np
import pandas as pd
import pytest
import torch

from cytosae_core.backbone.vit import load_backbone
from cytosae_core.errors import BackboneError
from cytosae_core.small_backbone import train as training
from cytosae_core.small_backbone.batches import Corpus
from cytosae_core.small_backbone.config import SmallBackboneConfig, TrainingPhase
from cytosae_core.small_backbone.corpus import ATTRIBUTES, PARTS, RealCells, RenderedCells
from cytosae_core.small_backbone.publish import publish_weights
from cytosae_core.small_backbone.workers import Worker

PHASE = TrainingPhase(n_steps=2, window=2, batch=4, learning_rate=1e-3, warm_up=1)
CONFIG = SmallBackboneConfig(guide=PHASE, phases=(PHASE,), n_workers=1, checkpoint_every=1)
ALONE = Worker(0, 1)


@pytest.fixture(scope="module")
def corpus():
    """Twelve noise images with labels, and six rendered ones."""
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"cell_type": np.arange(12) % 3, "split": ["train"] * 8 + ["held_out"] * 3 + ["unused"]})
    frame[list(ATTRIBUTES)] = rng.integers(-1, 2, (12, len(ATTRIBUTES)))
    real = RealCells(frame, ("a", "b", "c"), (2,) * len(ATTRIBUTES))
    images = rng.integers(0, 256, (18, 224, 224, 3), dtype=np.uint8)
    masks = rng.integers(0, 256, (6, len(PARTS), 56, 56), dtype=np.uint8)
    return Corpus(real, images[:12], RenderedCells(images[12:], masks, np.arange(6)), CONFIG)


@pytest.fixture(scope="module", autouse=True)
def whole_run(corpus, tmp_path_factory):
    """An undisturbed run, and its folder."""
    folder = tmp_path_factory.mktemp("whole")
    return training.train(corpus, folder, ALONE), folder


def test_every_training_image_is_seen_once_before_any_is_seen_again(corpus):
    n_real = 3
    seen = np.concatenate([corpus.training(1, step, 4, 0).types[:n_real].numpy() for step in range(8)])
    assert len(seen) == 3 * 8
    expected = np.bincount(corpus.real.frame["cell_type"][:8])
    assert np.bincount(seen).tolist() == (3 * expected).tolist()


def test_only_training_images_are_trained_on_and_only_held_out_ones_watched(corpus):
    train = {picture.tobytes() for picture in corpus.real_images[:8]}
    held_out = {picture.tobytes() for picture in corpus.real_images[8:11]}

    def seen(batch, n):
        pictures = (batch.pictures[:n] * 255).round().byte().permute(0, 2, 3, 1)
        return {picture.numpy().tobytes() for picture in pictures}

    assert set().union(*(seen(corpus.training(1, step, 4, 0), 3) for step in range(5))) <= train
    assert seen(corpus.held_out(0, 10), 3) == held_out


def test_a_run_stopped_in_any_phase_ends_in_the_weights_of_an_undisturbed_one(corpus, whole_run, tmp_path):
    class Stopped(Exception):
        pass

    def stop_at(n_done, _):
        if n_done in (1, 3) and n_done not in stopped:
            stopped.append(n_done)
            raise Stopped

    stopped: list[int] = []
    for _ in range(2):
        with pytest.raises(Stopped):
            training.train(corpus, tmp_path, ALONE, stop_at)
    resumed = training.train(corpus, tmp_path, ALONE, stop_at).state()
    for name, tensors in whole_run[0].state().items():
        assert all(torch.equal(tensor, resumed[name][key]) for key, tensor in tensors.items()), name


def test_the_curve_is_on_disk(whole_run):
    lines = [json.loads(line) for line in (whole_run[1] / "curve.jsonl").read_text().splitlines()]
    assert [(line["stage"], line["step"]) for line in lines] == [(0, 2), (1, 2)]
    assert all(0 <= line["accuracy"] <= 1 for line in lines)


def test_another_configuration_in_the_same_folder_is_refused(corpus, whole_run):
    other = Corpus(
        corpus.real, corpus.real_images, corpus.rendered, SmallBackboneConfig(guide=PHASE, phases=(PHASE,), n_workers=1)
    )
    with pytest.raises(BackboneError, match="was begun with other settings"):
        training.train(other, whole_run[1], ALONE)


def test_the_published_file_is_small_and_loads_like_any_backbone(whole_run, tmp_path):
    path = publish_weights(whole_run[0].student, CONFIG, tmp_path)
    assert path.stat().st_size <= 12_000_000
    backbone = load_backbone("cytosae-small", path)
    assert (backbone.d_model, backbone.n_blocks, backbone.n_tokens, backbone.image_size) == (192, 12, 257, 224)
    assert backbone.mean == (0.485, 0.456, 0.406)
