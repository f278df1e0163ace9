"""One pass over sparse activations against a dense twin, for any batches, order and parts."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from cytosae_core.atlas.build import exact_sum
from cytosae_core.atlas.build.activations import ImageActivations, join
from cytosae_core.atlas.build.encode import SparseEncoder
from cytosae_core.atlas.build.references import TopImages
from cytosae_core.atlas.build.statistics import LatentStatistics
from cytosae_core.atlas.definitions import Definitions
from cytosae_core.errors import ArtifactError, ConfigError
from cytosae_core.method import label_entropy
from cytosae_core.sae.checkpoint import latents_first
from tests.atlas import dense_twin

D_IN, N_TOKENS = 4, 5
sizes = st.fixed_dictionaries(
    {"n_images": st.integers(1, 40), "d_sae": st.integers(1, 30), "seed": st.integers(0, 2**16)}
)
choices = st.builds(
    Definitions,
    activation=st.sampled_from(["mean", "count"]),
    cls_in_mean=st.booleans(),
    cls_in_counts=st.booleans(),
    tau=st.sampled_from([0.0, 0.2, 0.75]),
    n_references=st.integers(1, 12),
)


def _random_case(size):
    rng = np.random.default_rng(size["seed"])
    weights = dense_twin.exact_weights(rng, D_IN, size["d_sae"])
    return weights, dense_twin.exact_tokens(rng, size["n_images"], N_TOKENS, D_IN)


def _twin(weights, tokens, definitions):
    z = dense_twin.dense_activations(tokens, weights)
    return dense_twin.dense_image_numbers(
        z,
        activation=definitions.activation,
        cls_in_mean=definitions.cls_in_mean,
        cls_in_counts=definitions.cls_in_counts,
        tau=definitions.tau,
    )


def _encoder(weights, definitions, **options):
    return SparseEncoder({name: torch.from_numpy(w) for name, w in weights.items()}, definitions, **options)


def _parts(draw, n_images):
    """The images in any order, cut into any parts, each cut into any batches."""
    order = draw(st.permutations(range(n_images)))
    cuts = sorted(draw(st.sets(st.integers(0, n_images), max_size=4)))
    parts = [order[a:b] for a, b in zip([0, *cuts], [*cuts, n_images], strict=True)]
    size = draw(st.integers(1, 7))
    return [[part[start : start + size] for start in range(0, len(part), size)] for part in parts]


@given(sizes, choices, st.data())
def test_one_pass_in_parts_gives_what_the_dense_twin_gives(size, definitions, data):
    weights, tokens = _random_case(size)
    numbers, _ = _twin(weights, tokens, definitions)
    encoder = _encoder(weights, definitions, latents_at_once=data.draw(st.integers(1, 31)))
    statistics, top = LatentStatistics.empty(size["d_sae"]), TopImages(size["d_sae"], definitions.n_references)
    for part in _parts(data.draw, size["n_images"]):
        of_part, top_of_part = LatentStatistics.empty(size["d_sae"]), TopImages(size["d_sae"], definitions.n_references)
        for rows in part:
            batch = encoder.images(tokens[rows])
            active = batch.active()
            of_part.update(batch)
            top_of_part.update(active.latent, active.activation, np.array(rows)[active.image])
        statistics.merge(of_part)
        top.merge(top_of_part)
    expected = dense_twin.dense_statistics(numbers)
    assert statistics.n_images == size["n_images"]
    assert statistics.n_active.tolist() == [n for n, _ in expected]
    np.testing.assert_allclose(statistics.sum_activation, [total for _, total in expected], rtol=1e-6, atol=1e-9)
    _same_references(top, numbers, definitions.n_references)


def _same_references(top, numbers, k):
    names = [f"{index:03d}" for index in range(len(numbers))]
    expected = dense_twin.dense_references(numbers, names, k)
    latents, values, orders, ranks = top.entries()
    found = [[] for _ in expected]
    for latent, value, order, rank in zip(latents, values, orders, ranks, strict=True):
        assert rank == len(found[latent])
        found[latent].append((names[order], value))
    assert [[name for name, _ in rows] for rows in found] == [[name for name, _ in rows] for rows in expected]
    for rows, others in zip(found, expected, strict=True):
        np.testing.assert_allclose([v for _, v in rows], [v for _, v in others], rtol=1e-6)


@given(sizes, choices)
def test_counts_are_exactly_those_of_the_dense_twin(size, definitions):
    weights, tokens = _random_case(size)
    _, counts = _twin(weights, tokens, definitions)
    batch = _encoder(weights, definitions).images(tokens)
    found = np.zeros_like(counts)
    found[batch.image, batch.latent] = batch.n_above
    np.testing.assert_array_equal(found, counts)


@given(st.lists(st.floats(0, 1e4, width=32), min_size=1, max_size=60), st.randoms())
def test_sums_have_the_same_bits_in_every_order(values, random):
    shuffled = random.sample(values, len(values))
    one, two = (exact_sum.split(np.array(v, np.float32)).sum(axis=1) for v in (values, shuffled))
    assert exact_sum.total(one) == exact_sum.total(two)
    assert exact_sum.total(one) == pytest.approx(np.sum(np.array(values, np.float64)), rel=1e-12, abs=1e-15)
    assert (exact_sum.total(one) > 0) == any(v > 0 for v in values)


def test_a_latent_that_fires_in_three_images_has_three_references():
    top = TopImages(4, 10)
    top.update(np.array([2, 2, 2]), np.array([0.5, 0.25, 0.5], np.float32), np.array([7, 5, 3]))
    latents, _, orders, ranks = top.entries()
    assert (latents.tolist(), orders.tolist(), ranks.tolist()) == ([2, 2, 2], [3, 7, 5], [0, 1, 2])


@given(sizes)
def test_entropy_is_that_of_the_formula(size):
    rng = np.random.default_rng(size["seed"])
    n = size["n_images"]
    latents, labels = rng.integers(0, size["d_sae"], n), rng.integers(0, 3, n)
    values = rng.random(n).astype(np.float32) + np.float32(0.01)
    rows = [[(i, float(values[i])) for i in np.flatnonzero(latents == latent)] for latent in range(size["d_sae"])]
    expected = dense_twin.dense_entropy(rows, labels)
    found = label_entropy(latents, labels, values, size["d_sae"])
    np.testing.assert_allclose(found, [np.nan if e is None else e for e in expected], atol=1e-12)


def test_a_few_latents_alone_have_the_activations_of_all():
    weights, tokens = _random_case({"n_images": 1, "d_sae": 30, "seed": 3})
    chosen = np.array([29, 0, 7, 7])
    found = _encoder(weights, Definitions(), latents_at_once=8).latents(tokens[0], chosen)
    np.testing.assert_array_equal(found, dense_twin.dense_activations(tokens, weights)[0][:, chosen])


@given(sizes, st.integers(1, 6))
def test_the_strongest_latents_of_a_token_are_those_of_a_full_sort_and_of_equals_the_first(size, n):
    weights, tokens = _random_case(size)
    keep = np.random.default_rng(1).random(size["d_sae"]) < 0.7
    latents, values = _encoder(weights, Definitions(), latents_at_once=7).strongest_latents(tokens[0], keep, n)
    expected = dense_twin.dense_strongest(dense_twin.dense_activations(tokens[:1], weights)[0], keep, n)
    np.testing.assert_array_equal(latents, expected[0])
    np.testing.assert_array_equal(values, expected[1])


def test_batches_are_joined_with_their_images_in_order():
    one = ImageActivations(2, np.array([1]), np.array([4]), np.array([0.5], np.float32), np.array([3]))
    both = join([one, one])
    assert (both.n_images, both.image.tolist(), both.n_above.tolist()) == (4, [1, 3], [3, 3])
    assert join([]).n_images == 0


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Definitions(tau=-1.0), "tau is -1.0"),
        (lambda: Definitions(n_references=0), "n_references is 0"),
        (lambda: Definitions(n_patient_references=-1), "n_patient_references is -1"),
        (lambda: LatentStatistics.empty(3).merge(LatentStatistics.empty(4)), "4 and 3 latents"),
        (lambda: TopImages(3, 5).merge(TopImages(3, 4)), "4 references of a part cannot fill 5"),
    ],
)
def test_what_cannot_work_is_refused_with_the_value(make, words):
    with pytest.raises(ConfigError, match=words):
        make()


def test_tokens_of_another_backbone_are_refused():
    weights, _ = _random_case({"n_images": 1, "d_sae": 3, "seed": 0})
    with pytest.raises(ConfigError, match="do not fit an SAE for tokens of width 4"):
        _encoder(weights, Definitions()).images(np.zeros((1, 5, 6), np.float16))


def test_tokens_that_are_no_numbers_are_refused():
    weights, tokens = _random_case({"n_images": 1, "d_sae": 3, "seed": 0})
    tokens[0, 2, 1] = np.nan
    with pytest.raises(ArtifactError, match="no finite numbers; extract"):
        _encoder(weights, Definitions()).images(tokens)


def test_the_manifest_says_which_definition_was_used():
    assert Definitions().image_activation == "mean over all tokens"
    assert Definitions(cls_in_mean=False).image_activation == "mean over patches"
    assert Definitions(activation="count").image_activation == "number of patches above 0.2"
    assert Definitions(cls_in_counts=True).counted_tokens == "patches+cls"


@given(sizes, choices, st.integers(1, 40))
def test_looking_in_8_bits_first_changes_no_bit(size, definitions, scale):
    weights, tokens = _random_case(size)
    noise = np.random.default_rng(size["seed"])
    weights = {name: w + noise.normal(0, 0.1, w.shape).astype(np.float32) for name, w in weights.items()}
    weights["b_enc"] -= np.float32(scale / 10)
    one, two = (
        _encoder(weights, definitions, latents_at_once=8, screened=screened).images(tokens)
        for screened in (True, False)
    )
    for ours, plain in zip(one, two, strict=True):
        np.testing.assert_array_equal(ours, plain)


def test_the_screen_leaves_out_most_latents_that_are_never_active():
    rng = np.random.default_rng(0)
    weights = {"W_enc": rng.standard_normal((64, 500)), "b_enc": np.full(500, -40.0), "b_dec": np.zeros(64)}
    weights["b_enc"][:50] = -8.0
    weights = {name: torch.from_numpy(w.astype(np.float32)) for name, w in weights.items()}
    weights["W_dec"] = weights["W_enc"].T.contiguous()
    encoder = SparseEncoder(weights, Definitions(), screened=True)
    tokens = rng.standard_normal((20, 64)).astype(np.float32)
    n_active = len(encoder.images(tokens[None]).latent)
    assert 20 < n_active <= encoder.n_candidates(tokens) < n_active + 15


def test_a_long_token_does_not_make_the_screen_blind_for_the_short_ones():
    rng = np.random.default_rng(0)
    tokens = rng.standard_normal((200, 64)).astype(np.float32)
    tokens[7] *= 30
    w_enc = rng.standard_normal((64, 500))
    w_enc -= np.outer(tokens[7], (60 + tokens[7] @ w_enc) / (tokens[7] @ tokens[7]))  # far below 0 at that token
    just_below = -1.2 * (tokens @ w_enc).max(axis=0)
    weights = {"W_enc": w_enc, "b_enc": just_below, "b_dec": np.zeros(64), "W_dec": w_enc.T}
    weights = {name: torch.from_numpy(np.ascontiguousarray(w, np.float32)) for name, w in weights.items()}
    encoder = SparseEncoder(weights, Definitions(), screened=True)
    assert len(encoder.images(tokens[None]).latent) == 0
    assert encoder.n_candidates(tokens) < 50


def test_an_encoder_that_lies_latents_first_is_read_where_it_lies():
    weights = {
        "W_enc": torch.randn(8, 70),
        "b_enc": torch.zeros(70),
        "W_dec": torch.randn(70, 8),
        "b_dec": torch.zeros(8),
    }
    laid = latents_first(weights)
    torch.testing.assert_close(laid["W_enc"], weights["W_enc"], rtol=0, atol=0)
    tokens = np.random.default_rng(0).standard_normal((2, 5, 8)).astype(np.float32)
    ours, plain = SparseEncoder(laid, Definitions()), SparseEncoder(weights, Definitions())
    assert ours._rows.data_ptr() == laid["W_enc"].data_ptr()
    np.testing.assert_array_equal(ours.images(tokens).activation, plain.images(tokens).activation)
