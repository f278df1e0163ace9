"""One protocol, three kinds: whatever holds the tokens, whoever reads them finds the same."""

import dataclasses
import hashlib
import threading
from itertools import islice

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cytosae_core.errors import ArtifactError, ConfigError, ImageTableError
from cytosae_core.sae.metrics import evaluate
from cytosae_core.sae.train import train
from cytosae_core.tokens import source as tokens_module
from cytosae_core.tokens.extract import extract
from cytosae_core.tokens.plan import ExtractConfig
from cytosae_core.tokens.shuffle import ShuffleConfig, shuffled_batches
from cytosae_core.tokens.source import ArrayTokens, StoreTokens, cut, in_order
from cytosae_core.tokens.split import split_store
from cytosae_core.tokens.store import INDEX_COLUMNS, TokenStore
from cytosae_core.tokens.stream import StreamConfig, StreamedTokens
from tests.sae.toys import toy

N_IMAGES, BLOCK = 13, 2
CONFIG = ExtractConfig(
    blocks=(BLOCK,), batch_size=3, shard_images=5, runtime="torch", n_workers=2, max_unreadable_share=0.5
)
STREAM = StreamConfig(batch_size=3, runtime="torch", n_workers=2)
UNCHANGED = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=25, deadline=None)


@pytest.fixture
def store(toy_backbone, make_table, tmp_path):
    return extract(toy_backbone, make_table(N_IMAGES), tmp_path / "tokens", CONFIG)


@pytest.fixture(params=["array", "store", "stream"])
def source(request, store, toy_backbone, make_table):
    """The same images in each of the three kinds."""
    if request.param == "array":
        return ArrayTokens(store.read(range(N_IMAGES)), images=store.index[INDEX_COLUMNS])
    if request.param == "store":
        return StoreTokens.open(store.path)
    return StreamedTokens(toy_backbone, make_table(N_IMAGES), BLOCK, STREAM)


def is_near(found, expected):
    """Whether tokens are equal but for last digits, which the other images of a forward pass can change."""
    return found.shape == expected.shape and np.abs(found.astype(np.float32) - expected.astype(np.float32)).max() < 4e-3


def test_every_kind_has_the_shape_and_the_list_of_images_of_the_store(source, store):
    assert source.shape == (N_IMAGES, store.n_tokens, store.d_model)
    pd.testing.assert_frame_equal(source.index[INDEX_COLUMNS], store.index[INDEX_COLUMNS])
    assert source.skipped == []


@pytest.mark.parametrize("rows", [[4], [0, 1, 2, 3], [12, 3, 3, 0, 7], range(13)])
def test_images_are_taken_in_any_order(source, store, rows):
    assert is_near(source.take(np.array(rows)), store.read(rows))
    assert is_near(source.take(rows), store.read(rows))


@pytest.mark.parametrize("batch_images", [1, 2, 4, 99])
def test_images_are_read_in_the_order_asked_for_and_never_more_at_a_time(source, store, batch_images):
    rows = [2, 3, 4, 5, 11, 12, 0]
    batches = list(source.read(rows, batch_images))
    assert [row for batch in batches for row in batch.rows] == rows
    assert max(len(batch.tokens) for batch in batches) <= batch_images
    assert all(len(batch.rows) == len(batch.tokens) for batch in batches)
    assert is_near(np.concatenate([batch.tokens for batch in batches]), store.read(rows))
    with pytest.raises(ConfigError, match="batch_images 0: must be at least 1"):
        list(source.read(rows, 0))


@pytest.mark.parametrize("batch_images", [1, 4, 99])
def test_all_images_in_order_come_with_their_rows(source, store, batch_images):
    found = list(in_order(source, batch_images))
    assert [row for rows, _ in found for row in range(rows.start, rows.stop)] == list(range(N_IMAGES))
    for rows, tokens in found:
        assert is_near(tokens, store.read(range(rows.start, rows.stop)))


def sorted_tokens(tokens):
    return tokens[np.lexsort(tokens.T)]


def test_an_epoch_has_every_token_once_in_an_order_of_seed_and_epoch_and_goes_on_anywhere(source, monkeypatch):
    monkeypatch.setattr(tokens_module, "PIECE_TOKENS", 4)

    def epoch(seed, number, start=0):
        return np.concatenate(list(source.shuffled(seed, number, start)))

    whole = epoch(1, 0)
    flat = np.concatenate([tokens for _, tokens in in_order(source, 3)]).reshape(whole.shape)
    assert is_near(sorted_tokens(whole)[:, -1], sorted_tokens(flat)[:, -1])
    assert np.array_equal(whole, epoch(1, 0))
    assert not np.array_equal(whole, epoch(1, 1))
    assert not np.array_equal(whole, epoch(2, 0))
    for start in (1, 4, 37, len(whole) - 1):
        assert np.array_equal(whole[start:], epoch(1, 0, start))


def test_streamed_tokens_are_shuffled_as_those_of_a_store_with_one_shard(toy_backbone, make_table, tmp_path):
    table = make_table(N_IMAGES)
    one_shard = extract(toy_backbone, table, tmp_path / "one", dataclasses.replace(CONFIG, shard_images=99))
    stored, streamed = StoreTokens.open(one_shard.path), StreamedTokens(toy_backbone, table, BLOCK, STREAM)
    one, other = (np.concatenate(list(tokens.shuffled(3, 1, 7))) for tokens in (stored, streamed))
    assert is_near(other, one)


def test_a_shuffled_store_is_read_in_chunks_that_know_their_shards(store):
    rows = np.array([0, 1, 2, 4, 5, 6, 12])
    found = np.concatenate(list(StoreTokens(store, rows).shuffled(3, 1, 0)))
    chunks = store.chunks(rows, tokens_module.CHUNK_IMAGES)
    shape = (store.n_tokens, store.d_model)
    config = ShuffleConfig(tokens_module.PIECE_TOKENS, 3, tokens_module.POOL_BYTES)
    assert np.array_equal(found, np.concatenate(list(shuffled_batches(chunks, store.shard, shape, config, 1))))
    assert np.array_equal(sorted_tokens(found), sorted_tokens(store.read(rows).reshape(found.shape)))


def test_each_kind_can_be_trained_and_measured_on(source, tmp_path):
    config = toy(d_in=source.shape[2], n_images=40, batch_images=2)
    result = train(config, source, tmp_path / "run", held_out=source)
    assert result.is_finished
    assert result.evaluation.keys() == evaluate(result.sae, source).values().keys()
    assert result.evaluation["n_images"] == N_IMAGES


@UNCHANGED
@given(rows=st.lists(st.integers(0, N_IMAGES - 1), min_size=1, max_size=20))
def test_a_choice_of_images_reads_like_a_source_of_its_own(store, rows):
    chosen = StoreTokens(store, np.array(rows))
    assert chosen.shape[0] == len(rows)
    assert list(chosen.index["image_id"]) == list(store.index["image_id"].iloc[rows])
    read = list(in_order(chosen, 4))
    assert np.array_equal(np.concatenate([tokens for _, tokens in read]), store.read(rows))
    places = list(range(len(rows)))[::-1]
    assert np.array_equal(chosen.take(places), store.read(rows)[places])


def test_a_choice_of_no_image_is_refused(store):
    with pytest.raises(ConfigError, match=r"no image of .*tokens is left to train on; hold out fewer"):
        StoreTokens(store, np.flatnonzero(np.zeros(N_IMAGES)))


def test_an_atlas_reads_a_store_by_image_id_whatever_its_order(store):
    order = np.argsort(store.index["image_id"].to_numpy(dtype=object), kind="stable")
    by_id = StoreTokens.by_id(store)
    assert by_id.index["image_id"].is_monotonic_increasing
    assert np.array_equal(by_id.take(range(N_IMAGES)), store.read(order))
    store.index.loc[3, "dataset"] = "other"
    with pytest.raises(ArtifactError, match=r"holds the data sets \['other', 'toy'\]; extract each into a store"):
        StoreTokens.by_id(store)


def test_random_reads_keep_their_shards_open_and_reads_in_order_keep_one(store, monkeypatch):
    opened = []
    plain = TokenStore.shard
    monkeypatch.setattr(TokenStore, "shard", lambda self, index: opened.append(index) or plain(self, index))
    tokens = StoreTokens.open(store.path)
    for rows in ([0, 12, 5], [1, 11, 6]):
        tokens.take(rows)
    assert sorted(opened) == [0, 1, 2]
    opened.clear()
    list(tokens.read(range(N_IMAGES), 2))
    assert opened == [0, 1, 2]
    monkeypatch.setattr(tokens_module, "OPEN_SHARDS", 2)
    opened.clear()
    few = StoreTokens.open(store.path)
    for rows in ([0, 6, 12], [0, 6, 12]):
        assert np.array_equal(few.take(rows), store.read(rows))
    assert len(opened) > 3


def test_unreadable_images_are_named_and_refused_where_none_may_be_missing(toy_backbone, make_table):
    tokens = StreamedTokens(toy_backbone, make_table(7, damaged=(0, 1, 2, 4)), BLOCK, STREAM)
    batches = list(tokens.read(range(7), 2))
    assert [row for batch in batches for row in batch.rows] == [3, 5, 6]
    assert [row for batch in batches for row, _ in batch.skipped] == [0, 1, 2, 4]
    assert all(batch.tokens.shape[1:] == tokens.shape[1:] for batch in batches)
    told = "%s cannot be read .*, and no image may be missing here; repair it, leave it out"
    with pytest.raises(ImageTableError, match=told % tokens.index["image_id"].iat[4]):
        tokens.take([3, 4])
    with pytest.raises(ImageTableError, match=told % tokens.index["image_id"].iat[0]):
        list(in_order(tokens, 2))
    with pytest.raises(ImageTableError, match="cannot be read"):
        list(tokens.shuffled(0, 0, 0))


def test_the_stream_gives_what_the_store_holds(toy_backbone, make_table, tmp_path):
    table = make_table(11, damaged=(4,))
    store = extract(toy_backbone, table, tmp_path / "tokens", CONFIG)
    streamed = StreamedTokens(toy_backbone, table, BLOCK, STREAM)
    got = {
        row: tokens for batch in streamed.read(range(11)) for row, tokens in zip(batch.rows, batch.tokens, strict=True)
    }
    assert list(got) == [row for row in range(11) if row != 4]
    for position, tokens in enumerate(got.values()):
        assert is_near(tokens, store.read([position])[0])


def test_a_stream_that_is_left_early_stops_its_threads(toy_backbone, make_table):
    tokens = StreamedTokens(toy_backbone, make_table(40), 1, dataclasses.replace(STREAM, batch_size=2))
    stream = tokens.read(range(40))
    assert len(list(islice(stream, 2))) == 2
    stream.close()
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("decode")]


def test_what_an_earlier_version_wrote_down_of_a_store_is_written_down_the_same(store):
    manifest = store.manifest
    train_tokens, held_out = split_store(store, 0.2, 3)
    assert train_tokens.identity == {
        "kind": "store", "shape": [10, 5, 32], "store_id": store.store_id, "datasets": ["toy"],
        "fingerprint": manifest["dataset"]["fingerprint"], "block": 2, "backbone": "random:dinobloom-s:0",
        "backbone_id": manifest["backbone"]["backbone_id"], "held_out": {"share": 0.2, "seed": 3, "n_images": 3},
        "simulated": False,
    }  # fmt: skip
    assert held_out.identity == train_tokens.identity | {"shape": [3, 5, 32]}
    assert StoreTokens.by_id(store).origin == {
        "tokens": store.store_id, "backbone": manifest["backbone"], "block": 2,
        "fingerprint": manifest["dataset"]["fingerprint"],
    }  # fmt: skip
    assert set(manifest["backbone"]) == {"name", "architecture", "backbone_id", "n_blocks"}


def test_what_an_earlier_version_wrote_down_of_an_array_is_written_down_the_same():
    array = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
    assert ArrayTokens(array).identity == {
        "kind": "array", "shape": [2, 3, 4], "dtype": "float32", "sha256": hashlib.sha256(array.tobytes()).hexdigest(),
        "simulated": False,
    }  # fmt: skip


def test_what_an_earlier_version_wrote_down_of_a_stream_is_written_down_the_same(toy_backbone, make_table):
    table = make_table(3)
    tokens = StreamedTokens(toy_backbone, table, BLOCK, STREAM)
    assert tokens.origin == {
        "backbone": {
            "name": toy_backbone.name, "architecture": toy_backbone.architecture,
            "backbone_id": toy_backbone.backbone_id, "n_blocks": 4,
        },
        "block": 2,
        "fingerprint": table.fingerprint,
        "run": {"batch_size": 3, "runtime": "torch", "precision": "float32"},
    }  # fmt: skip
    assert tokens.identity["shape"] == [3, 5, 32]
    assert tokens.identity["simulated"] is False


def test_tokens_of_other_images_are_other_tokens(store):
    one, other = StoreTokens(store, np.arange(4)), StoreTokens(store, np.arange(1, 5))
    assert one.origin != other.origin
    array, images = np.ones((2, 3, 4)), pd.DataFrame({"image_id": ["a", "b"]})
    assert ArrayTokens(array, images=images).origin != ArrayTokens(array, images=images[::-1]).origin
    assert ArrayTokens(array, images=images).origin == ArrayTokens(array.copy(), images=images.copy()).origin
    assert ArrayTokens(array).origin != ArrayTokens(array + 1).origin


def test_a_list_of_other_length_than_the_array_is_refused():
    with pytest.raises(ConfigError, match="3 images are listed for 2; list every image once"):
        ArrayTokens(np.ones((2, 3, 4)), images=pd.DataFrame({"image_id": list("abc")}))


@given(n_rows=st.integers(0, 20), size=st.integers(1, 9))
def test_rows_are_cut_without_losing_one(n_rows, size):
    parts = list(cut(range(n_rows), size))
    assert [row for part in parts for row in part] == list(range(n_rows))
    assert all(len(part) == size for part in parts[:-1])
