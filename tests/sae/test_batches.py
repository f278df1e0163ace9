"""Every image, or token, comes once per pass; any batch can be entered directly; held-out images never come."""

from itertools import islice

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cytosae_core.errors import ConfigError
from cytosae_core.sae.batches import position, token_batches
from cytosae_core.tokens import source as tokens_module
from cytosae_core.tokens.source import ArrayTokens, StoreTokens
from cytosae_core.tokens.split import split_store
from cytosae_core.tokens.store import TokenStore
from tests.sae.toys import toy, write_store

N_TOKENS = 3


def numbered(n_images):
    """Tokens (n_images, 3, 2) that hold (image, token)."""
    images, tokens = np.meshgrid(np.arange(n_images), np.arange(N_TOKENS), indexing="ij")
    return np.stack([images, tokens], axis=-1).astype(np.float16)


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    path = tmp_path_factory.mktemp("store") / "tokens"
    write_store(path, numbered(30), shard_images=7, simulated=True)
    return TokenStore.open(path)


@pytest.fixture(params=["array", "store"])
def source(request, store):
    return ArrayTokens(numbered(23)) if request.param == "array" else split_store(store, 0.25, seed=1).train


def names(batch):
    """(image, token) of every token of a batch, in order."""
    return [tuple(pair) for pair in batch.reshape(-1, 2).astype(int).tolist()]


def flat(batches):
    return [name for batch in batches for name in names(batch)]


@pytest.mark.parametrize("form", ["images", "tokens"])
@pytest.mark.parametrize("order", ["fixed", "reshuffled"])
def test_every_pass_has_every_token_once_and_every_batch_is_full(source, form, order):
    config = toy(d_in=2, batch_images=5, batches=form, order=order)
    n_images = source.shape[0]
    batches = list(islice(token_batches(source, config), 3 * n_images))
    assert {batch.shape for batch in batches} == {(5, N_TOKENS, 2) if form == "images" else (15, 2)}
    tokens, size = flat(batches), n_images * N_TOKENS
    passes = [tokens[start : start + size] for start in range(0, 3 * size, size)]
    assert len(set(passes[0])) == size
    assert set(passes[0]) == set(passes[1]) == set(passes[2])
    assert (passes[0] == passes[1] == passes[2]) == (order == "fixed")
    assert passes[0] != sorted(passes[0])


@pytest.mark.parametrize("form", ["images", "tokens"])
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=15)
@given(n_taken=st.integers(0, 40), batch_images=st.integers(1, 60))
def test_any_batch_can_be_entered_directly(source, form, n_taken, batch_images):
    config = toy(d_in=2, batch_images=batch_images, batches=form, order="reshuffled")
    whole = list(islice(token_batches(source, config), n_taken, n_taken + 3))
    entered = list(islice(token_batches(source, config, n_taken), 3))
    assert [names(batch) for batch in whole] == [names(batch) for batch in entered]


def test_entering_works_inside_and_between_the_pieces_that_a_source_hands_out(source, monkeypatch):
    monkeypatch.setattr(tokens_module, "PIECE_TOKENS", 4)
    config = toy(d_in=2, batch_images=2, batches="tokens", order="reshuffled")
    whole = list(islice(token_batches(source, config), 40))
    for n_taken in range(36):
        entered = list(islice(token_batches(source, config, n_taken), 4))
        assert flat(whole[n_taken : n_taken + 4]) == flat(entered)


def test_an_image_keeps_its_tokens_in_order_and_shuffled_tokens_come_from_many_images(source):
    whole = next(token_batches(source, toy(d_in=2, batch_images=6)))
    assert (whole[..., 1] == np.arange(N_TOKENS)).all()
    assert all(len(set(image)) == 1 for image in whole[..., 0].tolist())
    mixed = names(next(token_batches(source, toy(d_in=2, batch_images=4, batches="tokens"))))
    assert len({image for image, _ in mixed}) > 4


def test_the_position_is_the_number_of_passes_and_the_place_in_the_pass():
    tokens = ArrayTokens(numbered(10))
    assert position(tokens, toy(batch_images=4), 6) == (2, 4)
    assert position(tokens, toy(batch_images=4, batches="tokens"), 6) == (2, 4 * N_TOKENS)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30)
@given(share=st.floats(0, 0.9), seed=st.integers(0, 99))
def test_held_out_images_are_whole_images_and_never_trained_on(store, share, seed):
    train, held_out = split_store(store, share, seed)
    trained = set(names(train.take(range(train.shape[0]))))
    kept = set() if held_out is None else set(names(held_out.take(range(held_out.shape[0]))))
    assert not trained & kept
    assert len(trained | kept) == 30 * N_TOKENS
    assert len(kept) == round(share * 30) * N_TOKENS
    again = split_store(store, share, seed).train
    assert np.array_equal(again.rows, train.rows)
    assert again.identity == train.identity
    assert train.identity["held_out"] == {"share": share, "seed": seed, "n_images": round(share * 30)}


def test_the_identity_of_tokens_names_store_backbone_block_and_whether_they_are_simulated(store):
    identity = StoreTokens(store, np.arange(30)).identity
    assert identity["backbone_id"] == "toy-1"
    assert (identity["block"], identity["fingerprint"], identity["simulated"]) == (11, "0123", True)
    assert identity["store_id"] == store.store_id
    array = numbered(5)
    changed = array.copy()
    changed[3, 1, 0] += 1
    assert ArrayTokens(array).identity == ArrayTokens(array.copy()).identity != ArrayTokens(changed).identity


def test_what_cannot_be_trained_on_is_refused(store):
    with pytest.raises(ConfigError, match=r"tokens of shape \(5, 3\): must be"):
        ArrayTokens(np.zeros((5, 3)))
    for share in (1.0, -0.1):
        with pytest.raises(ConfigError, match=f"held_out_share {share}: must be at least 0 and below 1"):
            split_store(store, share, 0)
    with pytest.raises(ConfigError, match=r"no image of .* is left to train on"):
        split_store(store, 0.99, 0)
