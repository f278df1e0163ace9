"""Settings that differ are named one by one, wherever they stand; equal ones pass."""

from pathlib import Path

import pytest

from cytosae_core.artifacts.differences import refuse_difference
from cytosae_core.errors import ArtifactError

BEGUN = {"config": {"rate": 0.1, "seed": 1}, "shape": [2, 3], "old": True}


def test_equal_settings_pass():
    refuse_difference(BEGUN, {"old": True, "shape": [2, 3], "config": {"seed": 1, "rate": 0.1}}, Path("run"))


def test_every_difference_is_named_also_what_is_only_on_one_side():
    now = {"config": {"rate": 0.2, "seed": 1}, "shape": [2, 4], "new": None, "device": "cpu"}
    with pytest.raises(ArtifactError) as caught:
        refuse_difference(BEGUN, now, Path("run"))
    assert str(caught.value) == (
        "run was made with other settings: config.rate was 0.1 and is 0.2; shape was [2, 3] and is [2, 4];"
        " old was True and is None; device was None and is 'cpu'. Use those, choose another output folder, or delete it"
        " to start again"
    )


def test_a_long_list_of_differences_is_cut():
    with pytest.raises(ArtifactError) as caught:
        refuse_difference({f"name_{index}": 0 for index in range(99)}, {}, Path("run"))
    assert str(caught.value).count(" was 0 ") == 12
