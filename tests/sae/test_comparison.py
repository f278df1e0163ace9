"""Autoencoders beside principal components on the same held-out images."""

from dataclasses import replace

import numpy as np
import pytest

from cytosae_core.errors import ArtifactError, ConfigError
from cytosae_core.sae.comparison import compare, open_run
from cytosae_core.sae.train import train
from cytosae_core.tokens.split import split_store
from cytosae_core.tokens.store import TokenStore
from tests.sae import dense_metrics
from tests.sae.test_sweep import TINY
from tests.sae.toy_store import toy_store


def trained(folder, share=0.25, config=TINY, **store):
    """Folders of a run and of its store."""
    tokens, held_out = split_store(TokenStore.open(toy_store(folder / "store", **store), 1), share, 0)
    train(config, tokens, folder / "run", held_out=held_out)
    return folder / "run", folder / "store"


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return trained(tmp_path_factory.mktemp("real"), backbone="real")


@pytest.fixture(scope="module")
def random_run(tmp_path_factory):
    return trained(tmp_path_factory.mktemp("random"), backbone="random:toy:0", seed=5)


def test_an_autoencoder_has_the_figures_of_its_run_and_components_those_of_the_twin(run):
    opened = open_run(*run)
    table = compare({"SAE": opened}).set_index("model")
    found = table.loc["SAE"]
    assert found["n_numbers"] == pytest.approx(opened.manifest["evaluation"]["l0"])
    assert found["explained_variance"] == pytest.approx(opened.manifest["evaluation"]["explained_variance"], rel=1e-5)
    components = table.loc["SAE: PCA at its L0"]
    assert components["n_numbers"] == round(found["n_numbers"])
    training, held_out = (part.take(range(part.shape[0])) for part in (opened.training, opened.held_out))
    expected = dense_metrics.pca_explained_variance(training, held_out, int(components["n_numbers"]))
    assert components["explained_variance"] == pytest.approx(expected, rel=1e-7)


def test_a_run_on_a_random_backbone_stands_below_with_its_own_components(run, random_run):
    table = compare({"SAE": open_run(*run), "random": open_run(*random_run)})
    assert table["model"].tolist() == ["SAE", "SAE: PCA at its L0", "random", "random: PCA at its L0"]
    assert table["backbone"].tolist() == ["real", "real", "random:toy:0", "random:toy:0"]
    assert table["n_concepts"].isna().tolist() == [False, True, False, True]
    assert np.unique(table["n_held_out"]).tolist() == [5]


def test_runs_with_other_held_out_images_are_not_compared(run, tmp_path):
    other = trained(tmp_path, fingerprint="other cells")
    with pytest.raises(ConfigError, match="'other' holds out other images"):
        compare({"SAE": open_run(*run), "other": open_run(*other)})


def test_another_store_than_that_of_the_run_is_refused(run, random_run):
    with pytest.raises(ArtifactError, match="made with other settings: store_id"):
        open_run(run[0], random_run[1])


def test_an_unfinished_run_is_refused(run, tmp_path):
    with pytest.raises(ArtifactError, match="holds no finished run; train with"):
        open_run(tmp_path, run[1])


def test_a_run_on_all_images_has_nothing_to_be_compared_on(tmp_path):
    with pytest.raises(ConfigError, match="was trained on all images; train with a held-out share above 0"):
        open_run(*trained(tmp_path, share=0.0, config=replace(TINY, n_images=4)))
