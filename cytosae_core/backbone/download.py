"""The published DinoBloom weights by name, from the model hub or Zenodo, with a checksum wherever one was published.

Sources: https://huggingface.co/MarrLab/DinoBloom (`pytorch_model_<size>.bin`, plain state dicts) and
https://zenodo.org/records/10908163 (`DinoBloom-<SIZE>.pth`, with the training heads), both Koch et al. 2024.
Both publish a checksum beside the file, which is asked for at download time: the hub in the header X-Linked-ETag
(sha256), Zenodo in its record (md5). Checksums that could be cited when this was written are fixed here as well.
"""

import hashlib
import http.client
import json
import os
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from email.message import Message
from pathlib import Path
from types import MappingProxyType
from typing import IO, Literal, NamedTuple

from cytosae_core.errors import BackboneError, ChecksumError
from cytosae_core.progress import Progress, no_progress

Origin = Literal["hub", "zenodo"]
"""Where weights are fetched from."""

HUB = "https://huggingface.co"
"""The model hub; a mirror with the same paths may stand in for it."""
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
"""Bytes that are read at a time."""
CHECKSUM_SUFFIX = ".sha256"
"""Ending of the file, beside the weights, that says what their checksum was when they came."""
COMPARED = "# compared with a published checksum\n"
"""Line of that file where there was something to compare with."""
SHA256_DIGITS = 64
"""Hex digits of a sha256."""


@dataclass(frozen=True)
class Published:
    """One published file of weights."""

    file_name: str
    """Name at its origin, and on this machine."""
    url: str
    """Where the bytes are."""
    record_url: str | None = None
    """Where Zenodo tells the checksums of the record; None on the hub, which sends it along."""


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


def published(name: str, origin: Origin = "hub", base_url: str | None = None) -> Published:
    """Where the weights of `dinobloom-s`, `-b`, `-l` or `-g` lie; `base_url` is a mirror of hub or Zenodo."""
    size = name.removeprefix("dinobloom-")
    if size not in {"s", "b", "l", "g"} or size == name:
        raise BackboneError(f"no weights are published as {name!r}; choose dinobloom-s, -b, -l or -g")
    if origin == "hub":
        file_name = f"pytorch_model_{size}.bin"
        return Published(file_name, f"{base_url or HUB}/{HUB_REPOSITORY}/resolve/main/{file_name}")
    file_name, root = f"DinoBloom-{size.upper()}.pth", base_url or ZENODO
    return Published(
        file_name,
        f"{root}/records/{ZENODO_RECORD}/files/{file_name}?download=1",
        f"{root}/api/records/{ZENODO_RECORD}",
    )


def fetch_weights(
    name: str, folder: Path, origin: Origin = "hub", *, base_url: str | None = None, progress: Progress = no_progress
) -> Weights:
    """The published weights in `folder`, downloaded on first use; `progress` counts bytes.

    The file appears under its name only when it is whole and its checksum is that of its origin; its sha256 is kept
    in a file beside it, and compared at every later use. Raises BackboneError where it cannot be reached, and
    ChecksumError where the bytes are not the published ones.
    """
    source = published(name, origin, base_url)
    path = folder / source.file_name
    if path.is_file():
        return _kept(path)
    folder.mkdir(parents=True, exist_ok=True)
    temporary = folder / f".{source.file_name}.{os.getpid()}.part"
    try:
        with _told(source, folder):
            found = _download(source, temporary, progress)
            is_compared = _compare(source, found, _known_checksums(source))
        note = f"{found['sha256']}  {path.name}\n{COMPARED if is_compared else ''}"
        path.with_name(path.name + CHECKSUM_SUFFIX).write_text(note)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    return Weights(path, found["sha256"], is_compared)


def _kept(path: Path) -> Weights:
    """A file that came earlier, after a look whether it is still the same."""
    note = path.with_name(path.name + CHECKSUM_SUFFIX)
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
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
    except (urllib.error.URLError, TimeoutError, ConnectionError, http.client.HTTPException, ValueError) as error:
        raise BackboneError(
            f"{source.url} cannot be fetched ({error}). On a machine with a network, download it, put it into"
            f" {folder} as {source.file_name}, and pass its path as the weights; or use the other origin"
        ) from error


def _download(source: Published, temporary: Path, progress: Progress) -> dict[str, str]:
    """Write the bytes and return their digests by kind."""
    digests = {"sha256": hashlib.sha256(), "md5": hashlib.md5(usedforsecurity=False)}
    n_done = 0
    with _open(source.url) as answer, temporary.open("wb") as file:
        n_all = int(answer.headers.get("Content-Length") or 0)
        while piece := answer.read(PIECE):
            file.write(piece)
            n_done += len(piece)
            for digest in digests.values():
                digest.update(piece)
            progress(n_done, max(n_all, n_done))
        file.flush()
        os.fsync(file.fileno())
    if n_done < n_all:
        raise BackboneError(f"{source.url}: the connection ended after {n_done} of {n_all} bytes; try again")
    return {kind: digest.hexdigest() for kind, digest in digests.items()}


def _known_checksums(source: Published) -> list[_Checksum]:
    """Every checksum of the file that is published: by its origin, now, and by others, as cited above."""
    cited = CITED_SHA256.get(source.file_name)
    told = _from_hub(source.url) if source.record_url is None else _from_zenodo(source.record_url, source.file_name)
    return [*told, *([_Checksum("sha256", cited)] if cited else [])]


def _compare(source: Published, found: dict[str, str], known: list[_Checksum]) -> bool:
    """Whether there was anything to compare; ChecksumError where it differs."""
    for kind, digits in known:
        if found[kind] != digits:
            raise ChecksumError(
                f"{source.url} came with {kind} {found[kind]}, and {digits} is published; try again, and if it stays"
                " so, do not use the file and ask its authors"
            )
    return bool(known)


def _from_zenodo(record_url: str, file_name: str) -> list[_Checksum]:
    """The md5 that Zenodo's record tells of the file."""
    with _open(record_url) as answer:
        files = json.loads(answer.read()).get("files", [])
    told = {str(file.get("key")): str(file.get("checksum", "")) for file in files}
    kind, _, digits = told.get(file_name, "").partition(":")
    return [_Checksum(kind, digits)] if kind == "md5" else []


def _from_hub(url: str) -> list[_Checksum]:
    """The sha256 that the hub tells of a large file; it stands in the answer before the redirection."""
    with _open(url, _StayHere(), method="HEAD") as answer:
        tag = str(answer.headers.get("X-Linked-ETag", "")).strip('"')
    return [_Checksum("sha256", tag)] if len(tag) == SHA256_DIGITS else []


class _StayHere(urllib.request.HTTPRedirectHandler):
    """Takes a redirection as the answer."""

    def http_error_302(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: Message
    ) -> IO[bytes]:
        """Hand back the redirecting answer itself."""
        return fp

    http_error_301 = http_error_303 = http_error_307 = http_error_308 = http_error_302


def _open(url: str, *handlers: urllib.request.BaseHandler, method: str = "GET") -> http.client.HTTPResponse:
    if not url.startswith(("https://", "http://")):
        raise BackboneError(f"{url!r} is no web address; a mirror starts with https://")
    request = urllib.request.Request(url, method=method, headers={"User-Agent": "cytosae-workbench"})  # noqa: S310
    answer: http.client.HTTPResponse = urllib.request.build_opener(*handlers).open(request, timeout=TIMEOUT)
    return answer
