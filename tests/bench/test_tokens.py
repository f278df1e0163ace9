"""The benchmark measures what it says, with a toy."""

from pathlib import Path

import pytest

from cytosae_core.bench.tokens import TokensBenchConfig, as_tiff, bench
from cytosae_core.errors import ConfigError


def test_every_stage_is_measured_beside_the_bare_pass(toy_backbone, make_table):
    config = TokensBenchConfig(n_images=6, batch_size=2, n_rounds=2, block=2, with_compiled=False)
    table = bench(toy_backbone, make_table(8), config)
    assert table.index[0] == "bare, torch, float32"
    assert {"bare, torch, bfloat16", "extraction from images, torch, float32", "writing shards alone"} <= set(
        table.index
    )
    assert (table > 0).all(axis=None)


def test_tiff_copies_hold_the_same_images(make_table, tmp_path):
    copies = as_tiff(make_table(3), tmp_path / "tiff")
    assert [Path(path).suffix for path in copies.frame["path"]] == [".tif"] * 3


def test_a_benchmark_of_too_few_batches_is_refused():
    with pytest.raises(ConfigError, match="n_images 8, batch_size 8"):
        TokensBenchConfig(n_images=8, batch_size=8)
