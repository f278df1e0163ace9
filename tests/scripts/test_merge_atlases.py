"""The command line that makes one atlas of several."""

import pytest

from cytosae_core.atlas.atlas import LatentAtlas
from tests.atlas.array_tokens import random_tokens
from tests.atlas.splits import build


@pytest.mark.slow
def test_what_could_not_be_carried_over_is_printed(forks, tmp_path):
    one = build(tmp_path / "one", [random_tokens("one", 4)], maps=False, n_patch_latents=0, image_barcodes=True)
    two = build(tmp_path / "two", [random_tokens("two", 4)], maps=False, n_patch_latents=0)
    done = forks.run("merge_atlases.py", "--atlases", one.path, two.path, "--out", tmp_path / "merged")
    assert done.returncode == 0, done.stderr
    assert "two: 4 images, 0 pictures" in done.stdout
    assert f"left out: barcodes/images.parquet: {two.atlas_id} lacks it; build it with image_barcodes" in done.stdout
    assert LatentAtlas.open(tmp_path / "merged").n_latents == one.n_latents
