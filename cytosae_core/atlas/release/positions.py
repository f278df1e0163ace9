"""Which image is at which position of the published tables.

The authors sorted the files of their class folders by `class/file name`, without hidden files, and permuted them with
`numpy.random.default_rng(1)`; position k is the k-th entry of that permutation.
"""

import dataclasses
import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np
import pandas as pd

from cytosae_core.atlas.release.model import Integers
from cytosae_core.errors import ImageTableError
from cytosae_core.images.sources import (
    ACEVEDO_PREFIXES,
    BMC_LABELS,
    MATEK_LABELS,
    MLL23_LABELS,
    ImageRow,
    Source,
    is_hidden,
    source_of,
)
from cytosae_core.images.table import scan

SHUFFLE_SEED = 1
N_IMAGES: Mapping[str, int] = {"mll23": 41_621, "acevedo": 17_092, "matek": 18_365, "bmc": 171_373, "hehr": 81_214}
"""Images that the published tables were made from."""
_LABELS: Mapping[str, tuple[str, ...]] = {
    "mll23": tuple(sorted(MLL23_LABELS)),
    "acevedo": tuple(sorted(label for _, label in ACEVEDO_PREFIXES.values())),
    "matek": tuple(sorted(MATEK_LABELS)),
    "bmc": tuple(sorted(BMC_LABELS)),
}


@dataclass(frozen=True)
class ImageList:
    """All images of a data set, in the shuffled order that positions refer to."""

    dataset: str
    relative_paths: Sequence[str]
    """(n_images,) from the folder of class folders."""
    labels: Integers
    """(n_images,) index into `label_names`."""
    label_names: tuple[str, ...]
    """Sorted."""
    label_kind: str
    """"class" or "patient"."""
    patients: pd.DataFrame
    """patient, diagnosis, n_images; empty where the layout has no patients."""
    root: Path | None
    """Folder that the relative paths start from; None: no images at hand."""
    um_per_px: float | None
    n_ignored: int = 0
    """Visible image files in the folder that do not fit the data set's layout."""

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the sorted relative paths, one per line."""
        return hashlib.sha256("\n".join(sorted(self.relative_paths)).encode()).hexdigest()


def from_folder(dataset: str, root: Path) -> ImageList:
    """The list of all images that lie in a folder, unreadable ones too: they were in the authors' list as well.

    Raises ImageTableError when the folder does not fit the data set's layout.
    """
    source = source_of(dataset)
    table = scan(source, root)
    skipped = [image.relative_path for image in table.skipped]
    unreadable = [path for path in skipped if source.describe(PurePosixPath(path)) is not None]
    images = _arranged(source, [*table.frame["relative_path"].tolist(), *unreadable], source.find_root(root))
    return dataclasses.replace(images, n_ignored=len(skipped) - len(unreadable))


def from_file_list(dataset: str, path: Path, root: Path | None) -> ImageList:
    """The list of images that a text file names, one per line; those in `root` can be shown, others may be missing.

    Raises ImageTableError when the file is missing, or a line does not fit the data set's layout.
    """
    source = source_of(dataset)
    try:
        lines = [line.strip() for line in path.read_text(encoding="utf-8-sig").splitlines()]
    except (OSError, UnicodeDecodeError) as error:
        raise ImageTableError(f"{path} cannot be read ({error}); give a text file with one path per line") from error
    paths = [line.removeprefix("./").removeprefix(f"{source.top}/") for line in lines if line]
    for name in paths:
        pure = PurePosixPath(name)
        is_outside = pure.is_absolute() or ".." in pure.parts
        if is_outside or (not is_hidden(pure) and source.describe(pure) is None):
            raise ImageTableError(f"{path}: line {name!r} is not {source.layout}; give the list of {dataset}'s files")
    paths = [name for name in paths if not is_hidden(PurePosixPath(name))]
    repeated = [name for name, n in Counter(paths).items() if n > 1]
    if repeated:
        raise ImageTableError(f"{path} names {repeated[0]!r} twice; give the complete, unchanged list of files")
    base = None if root is None else source.find_root(root)
    if base is not None and not base.is_dir():
        raise ImageTableError(f"{base}: no such folder; give the folder of data set {dataset!r}")
    return _arranged(source, paths, base)


def published_labels(dataset: str, classnames: Path | None) -> tuple[str, ...]:
    """Names of the labels where the list of images is not known: published, or in a file `<dataset>_classnames.txt`.

    Empty when there are neither. Raises ImageTableError when the file is not readable.
    """
    if dataset in _LABELS:
        return _LABELS[dataset]
    path = None if classnames is None else classnames / f"{dataset}_classnames.txt"
    if path is None or not path.is_file():
        return ()
    try:
        return tuple(line.strip() for line in path.read_text(encoding="utf-8").splitlines() if line.strip())
    except (OSError, UnicodeDecodeError) as error:
        raise ImageTableError(f"{path} cannot be read ({error}); give a text file with one name per line") from error


def _arranged(source: Source, paths: Sequence[str], root: Path | None) -> ImageList:
    if not paths:
        raise ImageTableError(f"the list of {source.name}'s images is empty; give the complete list of files")
    rows = {path: _row(source, path) for path in paths}
    in_order = sorted(rows, key=lambda path: (f"{_label(rows[path])}/{PurePosixPath(path).name}", path))
    permutation = np.random.default_rng(SHUFFLE_SEED).permutation(len(in_order))
    shuffled = [in_order[index] for index in permutation]
    names = tuple(sorted({_label(row) for row in rows.values()}))
    index_of = {name: index for index, name in enumerate(names)}
    return ImageList(
        dataset=source.name,
        relative_paths=shuffled,
        labels=np.array([index_of[_label(rows[path])] for path in shuffled], dtype=np.int64),
        label_names=names,
        label_kind="patient" if all(row.label is None for row in rows.values()) else "class",
        patients=_patients(rows.values()),
        root=root,
        um_per_px=source.um_per_px,
    )


def _row(source: Source, path: str) -> ImageRow:
    row = source.describe(PurePosixPath(path))
    if row is None:
        raise ImageTableError(f"{path!r} is not {source.layout}; give files of {source.name}")
    return row


def _label(row: ImageRow) -> str:
    """The class; the patient where cells have no classes."""
    return row.label or row.patient or ""


def _patients(rows: Iterable[ImageRow]) -> pd.DataFrame:
    found = Counter((row.patient, row.diagnosis) for row in rows if row.patient is not None)
    table = [(patient, diagnosis, n) for (patient, diagnosis), n in sorted(found.items())]
    return pd.DataFrame(table, columns=["patient", "diagnosis", "n_images"])
