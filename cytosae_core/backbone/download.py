"""The published DinoBloom weights by name, from the model hub or Zenodo, with a checksum wherever one was published.

Sources: https://huggingface.co/MarrLab/DinoBloom (`pytorch_model_<size>.bin`, plain state dicts), fetched with
huggingface_hub, and https://zenodo.org/records/10908163 (`DinoBloom-<SIZE>.pth`, with the training heads), fetched with
pooch; both Koch et al. 2024. Both publish a checksum beside the file, which is asked for at download time: the hub in
the header X-Linked-ETag (sha256), Zenodo in its record (md5). Checksums that could be cited when this was written are
fixed here as well.
"""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from types import MappingProxyType
from typing import Literal, NamedTuple

import httpx2
import pooch
from huggingface_hub import get_hf_file_metadata, hf_hub_download, hf_hub_url
from tqdm import tqdm

from cytosae_core.artifacts.files import sha256_of, sync
from cytosae_core.errors import BackboneError, ChecksumError
from cytosae_core.progress import Progress, no_progress

Origin = Literal["hub", "zenodo"]
"""Where weights are fetched from."""

HUB = "https://huggingface.co"
"""The model hub; a mirror of it may stand in."""
ZENODO = "https://zenodo.org"
"""Zenodo."""
HUB_REPOSITORY = "MarrLab/DinoBloom"
"""Repository of the authors on the hub."""
ZENODO_RECORD = "10908163"
"""Record of the authors on Zenodo."""
CITED_SHA256: Mapping[str, str] = MappingProxyType(
    {
        # as shown on the hub's pages of these two files (blob/main/pytorch_model_l.bin and ..._g.bin)
        "pytorch_model_l.bin": "3963b60942e18e1f66fc77340700f4d408c69ca6d6617c0f94feedbad7caa88f",
        "pytorch_model_g.bin": "16bff9c85eabb2628e8c741701b6eb23a6ebd61699de85777af99750d6415a39",
        # as pinned by STAMP (github.com/KatherLab/STAMP), which checks it at every download
        "DinoBloom-S.pth": "c2f7990b003e89bcece80e379fb8fe0ba2ec392ce19b286e8a294abd99568e44",
    }
)
"""File name -> sha256 that somebody else published; the other files have none that we could cite."""
TIMEOUT = 60
"""Seconds without an answer after which a download is given up."""
PIECE = 2**20
"""Bytes that pooch reads at a time."""
CHECKSUM_SUFFIX = ".sha256"
"""Ending of the file, beside the weights, that says what their checksum was when they came."""
COMPARED = "# compared with a published checksum\n"
"""Line of that file where there was something to compare with."""
SHA256_DIGITS = 64
"""Hex digits of a sha256."""


@dataclass(frozen=True)
class Published:
    """One published file of weights."""

    origin: Origin
    """Where it is published."""
    root: str
    """Web address of the hub or Zenodo, or of a mirror."""
    file_name: str
    """Name at its origin, and on this machine."""

    @property
    def url(self) -> str:
        """Where the bytes are."""
        if self.origin == "hub":
            return hf_hub_url(HUB_REPOSITORY, self.file_name, endpoint=self.root)
        return f"{self.root}/records/{ZENODO_RECORD}/files/{self.file_name}?download=1"

    @property
    def record_url(self) -> str:
        """Where Zenodo tells the checksums of the record."""
        return f"{self.root}/api/records/{ZENODO_RECORD}"


class Weights(NamedTuple):
    """A file of weights on this machine."""

    path: Path
    """The file."""
    sha256: str
    """Checksum of the file, 64 hex digits."""
    is_compared: bool
    """Whether a checksum that somebody published was compared; False: `sha256` was recorded when the file came."""


class _Checksum(NamedTuple):
    kind: str
    digits: str


class _Fetched(NamedTuple):
    path: Path
    told: list[_Checksum]
    """What the origin publishes."""


def published(name: str, origin: Origin = "hub", base_url: str | None = None) -> Published:
    """Where the weights of `dinobloom-s`, `-b`, `-l` or `-g` lie; `base_url` is a mirror of hub or Zenodo."""
    size = name.removeprefix("dinobloom-")
    if size not in {"s", "b", "l", "g"} or size == name:
        raise BackboneError(f"no weights are published as {name!r}; choose dinobloom-s, -b, -l or -g")
    root = base_url or (HUB if origin == "hub" else ZENODO)
    if not root.startswith(("https://", "http://")):
        raise BackboneError(f"{root!r} is no web address; a mirror starts with https://")
    return Published(origin, root, f"pytorch_model_{size}.bin" if origin == "hub" else f"DinoBloom-{size.upper()}.pth")


def fetch_weights(
    name: str, folder: Path, origin: Origin = "hub", *, base_url: str | None = None, progress: Progress = no_progress
) -> Weights:
    """The published weights in `folder`, downloaded on first use; `progress` counts bytes.

    The file appears under its name only when it is whole and its checksum is that of its origin; its sha256 is kept
    in a file beside it, and compared at every later use. From the hub, a connection that breaks is taken up again, some
    megabytes before it broke; what a failed call left is removed. Raises BackboneError where the file cannot be
    fetched, and ChecksumError where the bytes are not the published ones.
    """
    source = published(name, origin, base_url)
    path = folder / source.file_name
    if path.is_file():
        return _kept(path)
    folder.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix=f".{source.file_name}.", dir=folder) as temporary:
        with _told(source, folder):
            fetch = _from_hub if origin == "hub" else _from_zenodo
            came, told = fetch(source, Path(temporary), _bar_of(progress))
        sha256, is_compared = _compared(source, came, told)
        sync(came)
        note = f"{sha256}  {path.name}\n{COMPARED if is_compared else ''}"
        path.with_name(path.name + CHECKSUM_SUFFIX).write_text(note)
        came.replace(path)
    return Weights(path, sha256, is_compared)


def _kept(path: Path) -> Weights:
    """A file that came earlier, after a look whether it is still the same."""
    note = path.with_name(path.name + CHECKSUM_SUFFIX)
    found = sha256_of(path)
    said = note.read_text() if note.is_file() else ""
    expected = said.split()[0] if said else CITED_SHA256.get(path.name, found)
    if found != expected:
        raise ChecksumError(
            f"{path} has sha256 {found} instead of {expected}; delete both it and {note.name}, and retry"
        )
    return Weights(path, found, path.name in CITED_SHA256 or COMPARED in said)


@contextmanager
def _told(source: Published, folder: Path) -> Iterator[None]:
    """Say in one sentence what to do where the network, or the far side, does not do its part."""
    try:
        yield
    except (OSError, ValueError, httpx2.HTTPError) as error:  # pooch raises OSErrors
        reason = " ".join(str(error).split())  # the hub's reasons have several lines
        raise BackboneError(
            f"{source.url} cannot be fetched ({reason}). On a machine with a network, download it, put it into"
            f" {folder} as {source.file_name}, and pass its path as the weights; or use the other origin"
        ) from error


def _from_hub(source: Published, folder: Path, bar: type[tqdm]) -> _Fetched:
    """The file at one commit; of a large file, the hub's ETag is its sha256."""
    about = get_hf_file_metadata(source.url, token=False, timeout=TIMEOUT, endpoint=source.root)
    path = hf_hub_download(
        HUB_REPOSITORY, source.file_name, revision=about.commit_hash, local_dir=folder, endpoint=source.root,
        token=False, etag_timeout=TIMEOUT, tqdm_class=bar,
    )  # fmt: skip
    tag = about.etag or ""
    return _Fetched(Path(path), [_Checksum("sha256", tag)] if len(tag) == SHA256_DIGITS else [])


def _from_zenodo(source: Published, folder: Path, bar: type[tqdm]) -> _Fetched:
    """The file, with the md5 that the record tells of it."""
    record = json.loads(_retrieved(source.record_url, folder / "record.json").read_text(encoding="utf-8"))
    listed = {str(file.get("key")): str(file.get("checksum", "")) for file in record.get("files", [])}
    kind, _, digits = listed.get(source.file_name, "").partition(":")
    path = _retrieved(source.url, folder / source.file_name, bar())
    return _Fetched(path, [_Checksum(kind, digits)] if kind == "md5" else [])


def _retrieved(url: str, path: Path, bar: tqdm | None = None) -> Path:
    """What is at a plain web address, as a file; its checksum is compared later, as that of any other."""
    pooch.get_logger().setLevel("WARNING")  # it would name every file, and ask for its checksum to be written down
    downloader = pooch.HTTPDownloader(progressbar=bar or False, chunk_size=PIECE, timeout=TIMEOUT)
    pooch.retrieve(url, known_hash=None, fname=path.name, path=path.parent, downloader=downloader)
    return path


def _compared(source: Published, path: Path, told: list[_Checksum]) -> tuple[str, bool]:
    """The sha256, and whether a checksum was published, by the origin or by others; ChecksumError where one differs."""
    cited = CITED_SHA256.get(source.file_name)
    known = [*told, *([_Checksum("sha256", cited)] if cited else [])]
    sha256 = sha256_of(path)
    for kind, digits in known:
        found = sha256 if kind == "sha256" else pooch.file_hash(path, kind)
        if found != digits:
            raise ChecksumError(
                f"{source.url} came with {kind} {found}, and {digits} is published; try again, and if it stays so, do"
                " not use the file and ask its authors"
            )
    return sha256, bool(known)


def _bar_of(progress: Progress) -> type[tqdm]:
    """A bar, as both libraries want one, that shows nothing and tells the progress instead.

    The hub's own format draws two bars, of bytes that came and of bytes that were written: the longer one is told.
    """
    longest = 0

    class Bar(tqdm):  # type: ignore[misc]  # tqdm has no types
        def update(self, n: float | None = 1) -> None:
            nonlocal longest
            self.n += n or 0
            longest = max(longest, int(self.n))
            total = int(self.total or longest)
            progress(min(longest, total), total)

        def __bool__(self) -> bool:
            return True  # tqdm is False while it does not know its total, and pooch would then leave it out

        def display(self, *_: object, **__: object) -> None:
            """Show nothing."""

    return Bar
