"""The stratified sample: who can be sampled, how many of each cluster, and that a seed fixes it."""

from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cytosae_core.errors import AnalysisError
from cytosae_core.study.sampling import allot, high_activation_latents, sample_latents

SEED = 42


def statistics_of(n_latents: int, seed: int = 0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    mean = 10.0 ** rng.uniform(-2.9, 0, n_latents)
    return pd.DataFrame({"mean_activation": mean, "frequency": rng.uniform(0.01, 1, n_latents)})


def ten_pictures(statistics: pd.DataFrame) -> "pd.Series[int]":
    return pd.Series(10, index=statistics.index)


@pytest.fixture(scope="module")
def mll23_statistics(release_tables: Path) -> pd.DataFrame:
    torch = pytest.importorskip("torch")
    folder = release_tables / "mll23"
    load = {"map_location": "cpu", "weights_only": True}
    return pd.DataFrame(
        {
            "mean_activation": torch.load(folder / "sae_mean_acts.pt", **load).numpy(),
            "frequency": torch.load(folder / "sae_sparsity.pt", **load).numpy(),
        }
    )


@pytest.mark.shared_data
def test_the_published_mll23_tables_give_the_known_clusters(mll23_statistics):
    sample = sample_latents(mll23_statistics, ten_pictures(mll23_statistics), seed=SEED)
    assert sample.notes["n_high_activation"] == 3801
    assert sorted(s.n_latents for s in sample.strata) == [5, 55, 217, 309, 365, 477, 574, 592, 602, 605]
    assert [s.n_drawn for s in sample.strata] == [5] * 10
    assert sample.notes["top_ups"] == []
    assert sample.latents["latent"].nunique() == 50
    assert (sample.latents.groupby("block")["stratum"].agg(sorted).map(list) == pd.Series([list(range(10))] * 5)).all()


def test_high_activation_means_log10_of_the_mean_above_the_threshold():
    table = pd.DataFrame(
        {"mean_activation": [0.1, 0.001, 0.00101, np.nan, 5.0], "frequency": [0.5, 0.5, 0.5, 0.0, 0.2]},
        index=[7, 3, 9, 1, 2],
    )
    assert list(high_activation_latents(table).index) == [2, 7, 9]


def test_a_missing_mean_of_a_nullable_column_is_not_high():
    table = pd.DataFrame({"mean_activation": pd.array([0.1, None], dtype="Float64"), "frequency": [0.5, 0.0]})
    assert list(high_activation_latents(table).index) == [0]


def test_clusters_are_numbered_by_rising_mean_activation():
    statistics = statistics_of(400)
    sample = sample_latents(statistics, ten_pictures(statistics), seed=SEED)
    assert sample.notes["centres"] == sorted(sample.notes["centres"])
    means = statistics.loc[sample.latents["latent"], "mean_activation"].groupby(list(sample.latents["stratum"])).mean()
    assert means.iloc[0] < means.iloc[-1]


def test_clusters_keep_the_number_of_their_latents_and_of_the_eligible_ones():
    statistics = statistics_of(300)
    n_pictures = pd.Series(np.where(np.arange(300) % 3 == 0, 4, 10))
    sample = sample_latents(statistics, n_pictures, n_clusters=4, seed=SEED)
    assert sum(s.n_latents for s in sample.strata) == 300
    assert sum(s.n_eligible for s in sample.strata) == sample.notes["n_eligible"] == 200
    assert sample.notes["min_pictures"] == 5


@settings(max_examples=25, deadline=None)
@given(
    n_latents=st.integers(80, 200),
    n_clusters=st.integers(1, 6),
    n_per_cluster=st.integers(1, 5),
    seed=st.integers(0, 2**31 - 1),
)
def test_a_sample_is_of_eligible_latents_without_repeats_and_complete(n_latents, n_clusters, n_per_cluster, seed):
    statistics = statistics_of(n_latents, seed)
    n_pictures = pd.Series(np.random.default_rng(seed).integers(3, 11, n_latents))
    sample = sample_latents(statistics, n_pictures, n_clusters=n_clusters, n_per_cluster=n_per_cluster, seed=seed)
    sampled = sample.latents
    assert len(sampled) == sampled["latent"].nunique() == n_clusters * n_per_cluster
    assert (n_pictures[sampled["latent"]] >= 5).all()
    per_stratum = Counter(sampled["stratum"])
    for stratum in sample.strata:
        assert per_stratum[stratum.stratum] == stratum.n_drawn <= stratum.n_eligible <= stratum.n_latents
    assert set(sampled.groupby("block").size()) == {n_clusters}
    again = sample_latents(statistics, n_pictures, n_clusters=n_clusters, n_per_cluster=n_per_cluster, seed=seed)
    pd.testing.assert_frame_equal(sampled, again.latents)


def test_the_order_of_the_tables_does_not_matter():
    statistics = statistics_of(200)
    shuffled = statistics.sample(frac=1, random_state=1)
    first = sample_latents(statistics, ten_pictures(statistics), n_clusters=4, seed=SEED)
    second = sample_latents(shuffled, ten_pictures(shuffled), n_clusters=4, seed=SEED)
    pd.testing.assert_frame_equal(first.latents, second.latents)


def test_another_seed_samples_other_latents():
    statistics = statistics_of(400)
    sampled = [
        set(sample_latents(statistics, ten_pictures(statistics), seed=seed).latents["latent"]) for seed in (1, 2)
    ]
    assert sampled[0] != sampled[1]


def test_every_eligible_latent_of_a_cluster_is_equally_likely_to_be_sampled():
    """Four clusters of 20 in each of 100 samples are 400 samples of 5 out of 20, and cost 100."""
    mean = np.concatenate([centre + np.linspace(0, 0.01, 20) for centre in (0.01, 0.3, 0.6, 0.9)])
    statistics = pd.DataFrame({"mean_activation": mean, "frequency": 0.5})
    times = Counter()
    for seed in range(100):
        sample = sample_latents(statistics, ten_pictures(statistics), n_clusters=4, n_per_cluster=5, seed=seed)
        assert (sample.latents["latent"] // 20).value_counts().tolist() == [5] * 4
        times.update(sample.latents["latent"] % 20)
    assert len(times) == 20
    assert min(times.values()) > 70
    assert max(times.values()) < 130


def test_a_cluster_that_is_too_small_is_topped_up_from_the_largest_and_the_notes_say_so():
    groups = [(0.01, 60), (0.3, 30), (0.9, 3)]
    mean = np.concatenate([np.full(n, centre) + np.linspace(0, 0.01, n) for centre, n in groups])
    statistics = pd.DataFrame({"mean_activation": mean, "frequency": 0.5})
    sample = sample_latents(statistics, ten_pictures(statistics), n_clusters=3, seed=SEED)
    assert [(s.n_latents, s.n_drawn) for s in sample.strata] == [(60, 7), (30, 5), (3, 3)]
    assert sample.notes["top_ups"] == [
        "cluster 0: 7 drawn instead of 5 (in place of clusters that are too small)",
        "cluster 2: 3 drawn instead of 5 (only 3 eligible)",
    ]
    assert list(sample.latents.groupby("block").size()) == [3, 3, 3, 3, 3]


@given(n_eligible=st.lists(st.integers(0, 60), min_size=1, max_size=10), n_per_cluster=st.integers(1, 6))
def test_allotting_fills_up_without_overdrawing_and_never_takes_from_a_cluster_that_has_enough(
    n_eligible, n_per_cluster
):
    n_sampled = allot(np.array(n_eligible), n_per_cluster)
    assert n_sampled.sum() == min(sum(n_eligible), len(n_eligible) * n_per_cluster)
    for sampled, eligible in zip(n_sampled, n_eligible, strict=True):
        assert min(eligible, n_per_cluster) <= sampled <= eligible


def test_too_few_latents_with_pictures_are_refused_with_the_numbers_and_a_remedy():
    statistics = statistics_of(100)
    n_pictures = pd.Series([10] * 30)
    with pytest.raises(AnalysisError, match=r"only 30 of 100 .* at least 5 .* 50 are to be sampled; put more images"):
        sample_latents(statistics, n_pictures, seed=SEED)


def test_fewer_different_latents_than_clusters_are_refused():
    statistics = pd.DataFrame({"mean_activation": [0.1] * 20 + [0.2] * 20, "frequency": 0.5})
    with pytest.raises(AnalysisError, match=r"2 different .* cannot make 10 clusters; .* at most 2"):
        sample_latents(statistics, ten_pictures(statistics), seed=SEED)


@pytest.mark.parametrize("name", ["n_clusters", "n_per_cluster"])
def test_numbers_that_are_not_positive_are_refused(name):
    statistics = statistics_of(100)
    with pytest.raises(AnalysisError, match=f"{name} is 0; it must be at least 1"):
        sample_latents(statistics, ten_pictures(statistics), seed=SEED, **{name: 0})
