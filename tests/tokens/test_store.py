"""The token store checks itself, and an epoch of shuffled reading visits every token exactly once."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cytosae_core.errors import ArtifactError, ChecksumError, ConfigError, FormatVersionError
from cytosae_core.tokens.extract import extract
from cytosae_core.tokens.plan import ExtractConfig
from cytosae_core.tokens.shuffle import Chunk, ShuffleConfig, shuffled_batches, shuffled_stream
from cytosae_core.tokens.store import TokenStore

CONFIG = ExtractConfig(blocks=(2, 4), batch_size=3, shard_images=5, runtime="torch", n_workers=2)


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
    n_readers=st.integers(1, 4),
    chunk_images=st.integers(1, 5),
    pool_bytes=st.integers(1, 400),
    patches_only=st.booleans(),
    seed=st.integers(0, 2**32),
    epoch=st.integers(0, 9),
)
def test_an_epoch_visits_every_token_exactly_once(
    counts, n_tokens, batch_size, n_readers, chunk_images, pool_bytes, patches_only, seed, epoch
):
    shards = numbered_shards(counts, n_tokens)
    config = ShuffleConfig(batch_size, seed, pool_bytes, chunk_images, patches_only)
    chunks = cut(counts, chunk_images)
    seen = []
    for reader in range(n_readers):
        batches = list(shuffled_batches(chunks, shards.__getitem__, (n_tokens, 2), config, (epoch, reader, n_readers)))
        assert all(len(batch) == batch_size for batch in batches[:-1])
        seen += [number for batch in batches for number in numbers_of(batch)]
    expected = [n for n in range(sum(counts) * n_tokens) if not (patches_only and n % n_tokens == 0)]
    assert sorted(seen) == expected


@settings(max_examples=60, deadline=None)
@given(
    counts=st.lists(st.integers(0, 9), min_size=1, max_size=5),
    batch_size=st.integers(1, 30),
    pool_bytes=st.integers(1, 300),
    start=st.integers(0, 12),
)
def test_an_epoch_goes_on_at_any_batch(counts, batch_size, pool_bytes, start):
    shards = numbered_shards(counts, 3)
    arguments = (cut(counts, 2), shards.__getitem__, (3, 2), ShuffleConfig(batch_size, 7, pool_bytes), (0, 0, 1))
    whole = [numbers_of(batch) for batch in shuffled_batches(*arguments)]
    assert [numbers_of(batch) for batch in shuffled_batches(*arguments, start)] == whole[start:]


@settings(max_examples=60, deadline=None)
@given(
    counts=st.lists(st.integers(0, 9), min_size=1, max_size=6),
    batch_size=st.integers(1, 40),
    pool_bytes=st.integers(1, 300),
    patches_only=st.booleans(),
    epoch=st.integers(0, 3),
)
def test_a_shuffled_stream_gives_every_token_exactly_once(counts, batch_size, pool_bytes, patches_only, epoch):
    config = ShuffleConfig(batch_size, 5, pool_bytes, patches_only=patches_only)
    batches = list(shuffled_stream(numbered_shards(counts, 3), config, epoch))
    assert all(len(batch) == batch_size for batch in batches[:-1])
    seen = sorted(number for batch in batches for number in numbers_of(batch))
    assert seen == [n for n in range(sum(counts) * 3) if not (patches_only and n % 3 == 0)]


def test_what_lies_before_the_start_is_not_read():
    counts, read = [4] * 10, []
    shards = numbered_shards(counts, 3)

    def read_shard(index):
        read.append(index)
        return shards[index]

    config = ShuffleConfig(batch_size=6, seed=0, pool_bytes=4 * 3 * 2 * 2, chunk_images=4)
    list(shuffled_batches(cut(counts, 4), read_shard, (3, 2), config, (0, 0, 1), start=18))
    assert len(read) == 1


def test_a_batch_mixes_tokens_from_all_over_the_store():
    counts = [20] * 10
    config = ShuffleConfig(batch_size=100, seed=0, pool_bytes=10 * 4 * 20 * 4, chunk_images=2)
    batches = list(shuffled_batches(cut(counts, 2), numbered_shards(counts, 5).__getitem__, (5, 2), config, (0, 0, 1)))
    shards_met = [len({number // 100 for number in numbers_of(batch)}) for batch in batches]
    assert min(shards_met) >= 5


def test_the_order_follows_seed_and_epoch_and_nothing_else(store):
    def epoch(seed, number):
        return np.concatenate(list(store.shuffled(ShuffleConfig(8, seed, chunk_images=2), number)))

    assert np.array_equal(epoch(1, 0), epoch(1, 0))
    assert not np.array_equal(epoch(1, 0), epoch(1, 1))
    assert not np.array_equal(epoch(1, 0), epoch(2, 0))


def test_shuffled_tokens_are_those_of_the_images(store):
    got = np.concatenate(list(store.shuffled(ShuffleConfig(7, 3, chunk_images=2, pool_bytes=2000))))
    expected = np.concatenate([store.image(position) for position in range(13)])
    assert np.array_equal(got[np.lexsort(got.T)], expected[np.lexsort(expected.T)])


@pytest.mark.parametrize("n_readers", [1, 2, 4])
def test_images_come_in_order_and_every_reader_has_its_part(store, n_readers):
    positions = []
    for reader in range(n_readers):
        for rows, tokens in store.images(batch_size=2, reader=reader, n_readers=n_readers):
            positions += list(rows)
            assert np.array_equal(tokens, np.stack([store.image(row) for row in rows]))
    assert sorted(positions) == list(range(13))
    assert n_readers > 1 or positions == list(range(13))


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
    with pytest.raises(ArtifactError, match=r"shard-00001-block-02\.npy is missing; delete the folder and run"):
        TokenStore.open(store.path, 4)


def test_a_cut_shard_is_named_with_its_sizes(store):
    path = store.path / "shard-00002-block-04.npy"
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(ChecksumError, match=r"shard-00002-block-04\.npy has \d+ bytes instead of \d+; .*run scripts/"):
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
        TokenStore.open(store.path, 2).image(0)


@pytest.mark.parametrize(
    ("entries", "error", "message"),
    [
        ({"format": "cytosae-atlas"}, ArtifactError, "is no token store but 'cytosae-atlas'"),
        ({"format_version": 9}, FormatVersionError, "format version 9, and this program reads 1"),
        ({"n_images": 12}, ArtifactError, "the manifest says 12 images, its shards hold 13 and the index 13"),
        ({"index": {"path": "../index.parquet", "size": 1, "sha256": ""}}, ArtifactError, "is not in its folder"),
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
        store.image(position)


@pytest.mark.parametrize("settings", [{"reader": 2, "n_readers": 2}, {"epoch": -1}, {"start": -1}])
def test_readers_that_do_not_exist_are_refused(store, settings):
    with pytest.raises(ConfigError, match="readers count from 0"):
        store.shuffled(ShuffleConfig(4, 0), **settings)


def test_shuffle_settings_that_cannot_work_are_refused():
    with pytest.raises(ConfigError, match="batch_size 0"):
        ShuffleConfig(0, 0)
