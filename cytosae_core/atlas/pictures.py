"""Display pictures: each reference image once, lossless, so that the app needs neither the data set nor torch.

WebP lossless, method 1, quality 25: on Acevedo cells 50 kB and 14 ms per picture, where PNG takes 67 kB and 17 ms and
WebP's strongest setting 47 kB and 1.5 s (see BENCHMARKS.md).
"""

import contextlib
import functools
import hashlib
import io
import json
from collections.abc import Generator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import pandas as pd
from PIL import Image

from cytosae_core.artifacts.files import drop_unfinished, write_whole
from cytosae_core.artifacts.manifest import digest_of
from cytosae_core.atlas import tables
from cytosae_core.atlas.manifest import DatasetInfo
from cytosae_core.errors import ImageError
from cytosae_core.images.transforms import read_rgb
from cytosae_core.processes import in_parallel, n_cores
from cytosae_core.progress import Progress, no_progress

SUFFIX = ".webp"
JOURNAL_NAME = ".pictures.jsonl"
MAX_SIDE = 512
"""Longer side, in pixels, above which a picture is reduced; nothing is ever enlarged or sharpened."""
_BATCH = 32
_FEW_BATCHES = 4
"""So few are made here before other processes have started."""


@dataclass(frozen=True)
class StoredPicture:
    """A display picture: one row of `images.parquet`."""

    image_id: str
    picture: str
    """SHA-256 of the file's bytes, and its name."""
    width: int
    height: int
    n_bytes: int
    scale: float
    """Display pixels per pixel of the original: 1, or less where it was reduced."""


@dataclass(frozen=True)
class Failed:
    """An image without a picture."""

    image_id: str
    reason: str


def store_picture(image_id: str, image: Image.Image, display: Path, max_side: int = MAX_SIDE) -> StoredPicture:
    """Write an RGB image into `display/`, reduced to `max_side` where it is larger; the same pixels are stored once."""
    scale = min(1.0, max_side / max(image.size))
    if scale < 1:
        size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
        image = image.resize(size, Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    image.save(buffer, "WEBP", lossless=True, method=1, quality=25)
    content = buffer.getvalue()
    sha256 = hashlib.sha256(content).hexdigest()
    _write_once(display / sha256[:2] / f"{sha256}{SUFFIX}", content)
    return StoredPicture(image_id, sha256, image.width, image.height, len(content), scale)


def make_pictures(
    images: Mapping[str, Path],
    folder: Path,
    *,
    max_side: int = MAX_SIDE,
    n_workers: int | None = None,
    progress: Progress = no_progress,
) -> tuple[list[StoredPicture], list[Failed]]:
    """Make the pictures of `images` (image id -> file) in `folder/display`, in parallel processes.

    What an earlier, interrupted call made is taken over from the journal in `folder`. Images that cannot be read
    come back as `Failed`; a failure is tried again in the next call, since the file may have been repaired.
    """
    (folder / tables.DISPLAY_NAME).mkdir(exist_ok=True)
    journal_path = folder / JOURNAL_NAME
    done = {picture.image_id: picture for picture in _read_journal(journal_path) if picture.image_id in images}
    todo = [(image_id, path) for image_id, path in sorted(images.items()) if image_id not in done]
    failed: list[Failed] = []
    progress(len(done), len(images))
    batches = _in_parallel(todo, folder / tables.DISPLAY_NAME, max_side, n_workers or n_cores())
    with journal_path.open("a", encoding="utf-8") as journal, contextlib.closing(batches):
        for results in batches:
            for result in results:
                if isinstance(result, Failed):
                    failed.append(result)
                else:
                    done[result.image_id] = result
                    journal.write(json.dumps(asdict(result)) + "\n")
            journal.flush()
            progress(len(done) + len(failed), len(images))
    return [done[image_id] for image_id in sorted(done)], sorted(failed, key=lambda one: one.image_id)


def forget_journal(folder: Path) -> None:
    """Remove the journal, and what a killed process left half-written; the last step before publishing."""
    (folder / JOURNAL_NAME).unlink(missing_ok=True)
    drop_unfinished(folder / tables.DISPLAY_NAME)


def as_frame(pictures: list[StoredPicture]) -> pd.DataFrame:
    """The pictures as the frame that `AtlasContents` takes."""
    columns = ["image_id", "picture", "width", "height", "n_bytes"]
    return pd.DataFrame([asdict(picture) for picture in pictures], columns=[*columns, "scale"])[columns]


def with_scale(info: DatasetInfo, made: Sequence[StoredPicture]) -> DatasetInfo:
    """Micrometres per display pixel: known only where every picture was reduced by the same factor."""
    scales = {picture.scale for picture in made if picture.image_id.startswith(f"{info.name}/")}
    um_per_px = info.um_per_px
    known = um_per_px is not None and len(scales) == 1
    return replace(info, um_per_px=um_per_px / scales.pop() if um_per_px and known else None)


def resume_key(images: Mapping[str, Path], max_side: int) -> str:
    """Equal only when the same files, unchanged, would become the same pictures."""
    digest = hashlib.sha256(digest_of(["pictures", max_side]).encode())
    for image_id in sorted(images):
        found = images[image_id].stat()
        digest.update(f"{image_id}\0{found.st_size}\0{found.st_mtime_ns}\n".encode())
    return digest.hexdigest()


PictureResult = StoredPicture | Failed


def _in_parallel(
    todo: list[tuple[str, Path]], display: Path, max_side: int, n_workers: int
) -> Generator[list[PictureResult]]:
    batches = [todo[start : start + _BATCH] for start in range(0, len(todo), _BATCH)]
    make = functools.partial(_make_batch, display=display, max_side=max_side)
    if n_workers == 1 or len(batches) <= _FEW_BATCHES:
        yield from map(make, batches)
    else:
        yield from in_parallel(make, batches, n_workers)


def _make_batch(batch: list[tuple[str, Path]], display: Path, max_side: int) -> list[PictureResult]:
    results: list[PictureResult] = []
    for image_id, path in batch:
        try:
            results.append(store_picture(image_id, read_rgb(path), display, max_side))
        except ImageError as error:
            # The manifest holds what is said here, and no path of the machine that it was made on.
            results.append(Failed(image_id, str(error).replace(str(path), path.name)))
    return results


def _write_once(path: Path, content: bytes) -> None:
    if path.is_file() and path.stat().st_size == len(content):
        return
    write_whole(path.parent, path.name, content, is_synced=False)


def _read_journal(path: Path) -> list[StoredPicture]:
    if not path.is_file():
        return []
    pictures = []
    for line in path.read_text(encoding="utf-8").splitlines():
        # The last line may be cut off where the earlier call was killed: that picture is made again.
        with contextlib.suppress(ValueError, TypeError):
            pictures.append(StoredPicture(**json.loads(line)))
    return pictures
