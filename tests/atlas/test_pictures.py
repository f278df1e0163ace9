import hashlib
import json

import numpy as np
import pytest
from PIL import Image

from cytosae_core.atlas.pictures import JOURNAL_NAME, forget_journal, make_pictures, store_picture


@pytest.fixture
def images(tmp_path):
    rng = np.random.default_rng(0)
    paths = {}
    for i in range(170):
        path = tmp_path / "in" / f"{i}.png"
        path.parent.mkdir(exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (12, 9, 3)).astype(np.uint8)).save(path)
        paths[f"d/{i}.png"] = path
    (tmp_path / "out").mkdir()
    return paths


def test_a_picture_is_named_by_its_bytes_and_has_the_pixels_of_its_image(images, tmp_path):
    made, failed = make_pictures(images, tmp_path / "out", n_workers=1)
    assert not failed
    assert [one.image_id for one in made] == sorted(images)
    for one in made:
        path = tmp_path / "out" / "display" / one.picture[:2] / f"{one.picture}.webp"
        assert hashlib.sha256(path.read_bytes()).hexdigest() == one.picture
        assert one.n_bytes == path.stat().st_size
        with Image.open(path) as picture, Image.open(images[one.image_id]) as original:
            assert np.array_equal(np.asarray(picture.convert("RGB")), np.asarray(original))


def test_processes_make_the_same_pictures_as_one(images, tmp_path):
    (tmp_path / "out2").mkdir()
    one, _ = make_pictures(images, tmp_path / "out", n_workers=1)
    two, _ = make_pictures(images, tmp_path / "out2", n_workers=2)
    assert one == two


def test_a_large_picture_is_reduced_and_a_small_one_never_enlarged(tmp_path):
    large = store_picture("d/l", Image.new("RGB", (300, 100)), tmp_path, max_side=60)
    small = store_picture("d/s", Image.new("RGB", (30, 10)), tmp_path, max_side=60)
    assert (large.width, large.height, large.scale) == (60, 20, 0.2)
    assert (small.width, small.height, small.scale) == (30, 10, 1.0)


def test_what_was_made_before_an_interruption_is_not_made_again(images, tmp_path):
    def stop(n_done: int, _: int) -> None:
        if n_done >= 32:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        make_pictures(images, tmp_path / "out", n_workers=1, progress=stop)
    first = sorted(images)[:32]
    for image_id in first:
        images[image_id].unlink()
    seen: list[int] = []
    made, failed = make_pictures(images, tmp_path / "out", n_workers=1, progress=lambda n, _: seen.append(n))
    assert len(made) == 170
    assert not failed
    assert seen[0] == 32


def test_a_journal_line_that_was_cut_off_costs_one_picture_only(images, tmp_path):
    make_pictures(images, tmp_path / "out", n_workers=1)
    journal = tmp_path / "out" / JOURNAL_NAME
    lines = journal.read_text().splitlines(keepends=True)
    journal.write_text("".join(lines[:-1]) + lines[-1][:20])
    lost = next(iter(set(images) - {json.loads(line)["image_id"] for line in lines[:-1]}))
    images[lost].unlink()
    made, failed = make_pictures(images, tmp_path / "out", n_workers=1)
    assert len(made) == 169
    assert [one.image_id for one in failed] == [lost]
    forget_journal(tmp_path / "out")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["display"]


def test_an_unreadable_image_is_reported_without_the_path_of_this_machine(images, tmp_path):
    images["d/0.png"].write_bytes(b"no image")
    images["d/1.png"].write_bytes(images["d/1.png"].read_bytes()[:100])
    made, failed = make_pictures(images, tmp_path / "out", n_workers=2)
    assert len(made) == 168
    assert [one.image_id for one in failed] == ["d/0.png", "d/1.png"]
    assert "not an image" in failed[0].reason
    assert not any(str(tmp_path) in one.reason for one in failed)
