import pytest

from cytosae_core.errors import ConfigError
from cytosae_core.images.readable import check_readable
from cytosae_core.images.sources import SOURCES, folder_source
from cytosae_core.images.table import scan
from tests.images._trees import write_tree


@pytest.mark.parametrize("workers", [1, 3])
def test_bad_images_move_to_skipped_with_a_reason_that_names_no_path(tmp_path, workers):
    write_tree(tmp_path, "a/1.png", "a/2.png", "other.png")
    (tmp_path / "a" / "3.png").write_bytes((tmp_path / "a" / "1.png").read_bytes()[:50])
    (tmp_path / "a" / "4.jpg").write_text("no image")
    calls = []
    table = check_readable(scan(folder_source("mine"), tmp_path), workers, lambda *call: calls.append(call))
    assert table.frame["relative_path"].tolist() == ["a/1.png", "a/2.png"]
    assert [image.relative_path for image in table.skipped] == ["a/3.png", "a/4.jpg", "other.png"]
    assert table.skipped[0].reason.startswith("cannot be decoded (")
    assert table.skipped[1].reason.startswith("not an image of a known format")
    assert not any(str(tmp_path) in image.reason for image in table.skipped)
    assert calls == [(n_done, 4) for n_done in range(1, 5)]


def test_the_fingerprint_is_that_of_the_images_left(tmp_path):
    write_tree(tmp_path / "good", "a/1.png")
    write_tree(tmp_path / "bad", "a/1.png")
    (tmp_path / "bad" / "a" / "2.png").write_text("no image")
    good = scan(folder_source("mine"), tmp_path / "good")
    assert check_readable(scan(folder_source("mine"), tmp_path / "bad"), 1).fingerprint == good.fingerprint


def test_no_workers_is_an_error(tmp_path):
    table = scan(folder_source("mine"), write_tree(tmp_path, "a/1.png"))
    with pytest.raises(ConfigError, match="workers is 0"):
        check_readable(table, 0)


@pytest.mark.shared_data
def test_all_real_bone_marrow_cells_are_readable(bmc):
    table = scan(SOURCES["bmc"], bmc)
    assert check_readable(table, 2).frame.equals(table.frame)
