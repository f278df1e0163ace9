"""The token store checks itself, and an epoch of shuffled reading visits every token exactly once."""

import json
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cytosae_core.errors import ArtifactError, ChecksumError, ConfigError, FormatVersionError
from cytosae_core.tokens.extract import extract
from cytosae_core.tokens.plan import ExtractConfig
from cytosae_core.tokens.shuffle import Chunk, ShuffleConfig, shuffled_batches
from cytosae_core.tokens.store import TokenStore

CONFIG = ExtractConfig(blocks=(2, 4), batch_size=3, shard_images=5, runtime="torch", n_workers=2)
ORDER_OF_VERSION_1 = [
    [8, 11, 19, 7, 10, 9, 18, 20],
    [6, 2, 12, 5, 3, 13, 17, 0],
    [15, 4, 1, 14, 16],
]  # fmt: skip
"""The order that an earlier version gave these tokens: a training that it began goes on in the same one."""


@pytest.fixture
def store(toy_backbone, make_table, tmp_path):
    return extract(toy_backbone, make_table(13), tmp_path / "tokens", CONFIG)


def change_manifest(store, **entries):
    path = store.path / "manifest.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | entries))


def numbered_shards(counts, n_tokens):
    """Shards in which every token holds its own number, in two digits to the base 1024, exact in float16."""
    numbers = np.arange(sum(counts) * n_tokens).reshape(-1, n_tokens)
    tokens = np.stack([numbers // 1024, numbers % 1024], axis=-1).astype(np.float16)
    return np.split(tokens, np.cumsum(counts)[:-1])


def numbers_of(batch):
    return (batch[:, 0].astype(np.int64) * 1024 + batch[:, 1].astype(np.int64)).tolist()


def cut(counts, chunk_images):
    return [
        Chunk(index, first, min(chunk_images, count - first))
        for index, count in enumerate(counts)
        for first in range(0, count, chunk_images)
    ]


@settings(max_examples=150, deadline=None)
@given(
    counts=st.lists(st.integers(0, 9), min_size=1, max_size=6),
    n_tokens=st.integers(2, 5),
    batch_size=st.integers(1, 40),
    chunk_images=st.integers(1, 5),
    pool_bytes=st.integers(1, 400),
    seed=st.integers(0, 2**32),
    epoch=st.integers(0, 9),
)
def test_an_epoch_visits_every_token_exactly_once(counts, n_tokens, batch_size, chunk_images, pool_bytes, seed, epoch):
    shards = numbered_shards(counts, n_tokens)
    config = ShuffleConfig(batch_size, seed, pool_bytes)
    batches = list(shuffled_batches(cut(counts, chunk_images), shards.__getitem__, (n_tokens, 2), config, epoch))
    assert all(len(batch) == batch_size for batch in batches[:-1])
    assert sorted(number for batch in batches for number in numbers_of(batch)) == list(range(sum(counts) * n_tokens))


@settings(max_examples=60, deadline=None)
@given(
    counts=st.lists(st.integers(0, 9), min_size=1, max_size=5),
    batch_size=st.integers(1, 30),
    pool_bytes=st.integers(1, 300),
    start=st.integers(0, 150),
)
def test_an_epoch_goes_on_at_any_token(counts, batch_size, pool_bytes, start):
    shards = numbered_shards(counts, 3)
    arguments = (cut(counts, 2), shards.__getitem__, (3, 2), ShuffleConfig(batch_size, 7, pool_bytes), 0)
    whole, rest = (
        [number for batch in shuffled_batches(*arguments, first) for number in numbers_of(batch)]
        for first in (0, start)
    )
    assert rest == whole[start:]


def test_the_order_of_an_epoch_is_that_of_the_versions_before():
    config = ShuffleConfig(batch_size=8, seed=42, pool_bytes=4 * 3 * 2 * 2)
    batches = shuffled_batches(cut([4, 3], 2), numbered_shards([4, 3], 3).__getitem__, (3, 2), config, epoch=5)
    assert [numbers_of(batch) for batch in batches] == ORDER_OF_VERSION_1


def test_what_lies_before_the_start_is_not_read():
    counts, read = [4] * 10, []
    shards = numbered_shards(counts, 3)

    def read_shard(index):
        read.append(index)
        return shards[index]

    config = ShuffleConfig(batch_size=6, seed=0, pool_bytes=4 * 3 * 2 * 2)
    list(shuffled_batches(cut(counts, 4), read_shard, (3, 2), config, start=18 * 6))
    assert len(read) == 1


def test_a_batch_mixes_tokens_from_all_over_the_store():
    counts = [20] * 10
    config = ShuffleConfig(batch_size=100, seed=0, pool_bytes=10 * 4 * 20 * 4)
    batches = list(shuffled_batches(cut(counts, 2), numbered_shards(counts, 5).__getitem__, (5, 2), config))
    shards_met = [len({number // 100 for number in numbers_of(batch)}) for batch in batches]
    assert min(shards_met) >= 5


def slow_images(store):
    """All images of a store, shard by shard."""
    return np.concatenate([store.shard(index) for index in range(len(store.starts) - 1)])


@given(positions=st.lists(st.integers(0, 12), max_size=30))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60, deadline=None)
def test_images_are_read_in_any_order_and_any_number_of_times(store, positions):
    assert np.array_equal(store.read(positions), slow_images(store)[np.array(positions, int)])


@given(positions=st.lists(st.integers(0, 12), max_size=30), max_images=st.sampled_from([None, 1, 2, 3]))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60, deadline=None)
def test_runs_of_neighbours_are_read_in_one_piece_and_never_across_shards(store, positions, max_images):
    chunks = store.chunks(positions, max_images)
    counts = np.diff(store.starts)
    assert all(chunk.first + chunk.n_images <= counts[chunk.shard_index] for chunk in chunks)
    assert all(0 < chunk.n_images <= (max_images or 13) for chunk in chunks)
    found = [int(store.starts[shard_index]) + first + i for shard_index, first, n in chunks for i in range(n)]
    assert found == positions
    if max_images is None:
        joined = pairwise(chunks)
        assert not any(a.shard_index == b.shard_index and a.first + a.n_images == b.first for a, b in joined)


def test_one_shard_at_a_time_is_open_and_each_is_opened_once(store, monkeypatch):
    opened = []
    plain = TokenStore.shard
    monkeypatch.setattr(TokenStore, "shard", lambda self, index: opened.append(index) or plain(self, index))
    store.read(range(1, 13, 2))
    assert opened == [0, 1, 2]


def test_tokens_are_mapped_and_cannot_be_changed(store):
    tokens = store.shard(0)
    assert isinstance(tokens, np.memmap)
    assert not tokens.flags.writeable


def test_a_store_of_several_blocks_wants_one_by_name(store):
    with pytest.raises(ConfigError, match="holds the blocks 2, 4, and None was asked for"):
        TokenStore.open(store.path)
    with pytest.raises(ConfigError, match="holds the blocks 2, 4, and 3 was asked for"):
        TokenStore.open(store.path, 3)
    assert TokenStore.open(store.path, 4).block == 4


def test_equal_extractions_have_equal_ids(store, toy_backbone, make_table, tmp_path):
    again = extract(toy_backbone, make_table(13, folder="copy"), tmp_path / "again", CONFIG)
    assert again.store_id == store.store_id


def test_a_folder_without_manifest_is_refused_with_the_command(tmp_path):
    with pytest.raises(ArtifactError, match=r"is no token store .*make one with scripts/extract_tokens\.py"):
        TokenStore.open(tmp_path)


def test_a_missing_shard_is_named(store):
    (store.path / "shard-00001-block-02.npy").unlink()
    with pytest.raises(ArtifactError, match=r"shard-00001-block-02\.npy is missing, .*; delete the folder and run"):
        TokenStore.open(store.path, 4)


def test_a_cut_shard_is_named_with_its_sizes(store):
    path = store.path / "shard-00002-block-04.npy"
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(ChecksumError, match=r"shard-00002-block-04\.npy has \d+ bytes, the manifest says \d+; .*run"):
        TokenStore.open(store.path, 2)


def test_a_changed_byte_is_found_on_demand(store):
    path = store.path / "shard-00000-block-02.npy"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    opened = TokenStore.open(store.path, 2)
    with pytest.raises(ChecksumError, match=r"shard-00000-block-02\.npy was changed since it was written"):
        opened.verify()


def test_a_shard_of_another_shape_is_refused_when_it_is_read(store):
    path = store.path / "shard-00000-block-02.npy"
    size = path.stat().st_size
    np.save(path, np.zeros((size - 128) // 2, np.float16))
    assert path.stat().st_size == size
    with pytest.raises(ChecksumError, match=r"float16\(800,\) instead of float16\(5, 5, 32\)"):
        TokenStore.open(store.path, 2).read([0])


@pytest.mark.parametrize(
    ("entries", "error", "message"),
    [
        ({"format": "cytosae-atlas"}, ArtifactError, "does not describe a token store: its format is 'cytosae-atlas'"),
        ({"format_version": 9}, FormatVersionError, "format version 9 of a token store, and .* reads 1"),
        ({"n_images": 12}, ArtifactError, "the manifest says 12 images, its shards hold 13 and the index 13"),
        ({"index": {"path": "../index.parquet", "size": 1, "sha256": ""}}, ArtifactError, "leads out of the folder"),
    ],
)
def test_a_manifest_that_contradicts_the_folder_is_refused(store, entries, error, message):
    change_manifest(store, **entries)
    with pytest.raises(error, match=message):
        TokenStore.open(store.path, 2)


def test_a_damaged_manifest_is_refused(store):
    (store.path / "manifest.json").write_text('{"format": ')
    with pytest.raises(ChecksumError, match=r"manifest\.json is damaged"):
        TokenStore.open(store.path, 2)


@pytest.mark.parametrize("position", [-1, 13])
def test_an_image_that_is_not_there_is_refused(store, position):
    with pytest.raises(ConfigError, match=f"image {position}: .* holds the images 0 to 12"):
        store.read([3, position])


@pytest.mark.parametrize("place", [{"epoch": -1}, {"start": -1}])
def test_an_epoch_that_does_not_exist_is_refused(place):
    with pytest.raises(ConfigError, match="both count from 0"):
        shuffled_batches([], numbered_shards([1], 2).__getitem__, (2, 2), ShuffleConfig(4, 0), **place)


def test_shuffle_settings_that_cannot_work_are_refused():
    with pytest.raises(ConfigError, match="batch_size 0"):
        ShuffleConfig(0, 0)
