"""Weights by name, up to the edge of the network: a local server stands in for hub and Zenodo."""

import hashlib
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from huggingface_hub import constants

from cytosae_core.backbone import download
from cytosae_core.backbone.choose import BackboneChoice, choose_backbone
from cytosae_core.backbone.download import Weights, fetch_weights, published
from cytosae_core.errors import BackboneError, ChecksumError

CONTENT = bytes(range(256)) * 9000


COMMIT = "c" * 40


class Server:
    """What the far side says; the tests change its attributes."""

    def __init__(self):
        self.etag = hashlib.sha256(CONTENT).hexdigest()
        self.md5 = "md5:" + hashlib.md5(CONTENT).hexdigest()
        self.n_sent = len(CONTENT)
        self.n_answers = 999
        self.asked, self.ranges = [], []


@pytest.fixture
def server():
    state = Server()

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_):
            pass

        def do_HEAD(self):
            self._answer(send_body=False)

        def do_GET(self):
            self._answer(send_body=True)

        def _answer(self, send_body):
            state.asked.append((self.command, self.path))
            if "/resolve/" in self.path and self.path.endswith("_b.bin"):
                # the hub sends elsewhere for the bytes, and tells the checksum of large files, of others another tag
                self.send_response(302)
                self.send_header("Location", f"{state.url.replace('127.0.0.1', 'localhost')}/bytes")
                self.send_header("X-Repo-Commit", COMMIT)
                self.send_header("X-Linked-Size", str(len(CONTENT)))
                self.send_header("X-Linked-ETag" if state.etag else "ETag", f'"{state.etag or "e" * 40}"')
                self.end_headers()
            elif self.path.startswith("/api/records/"):
                self._send(json.dumps({"files": [{"key": "DinoBloom-B.pth", "checksum": state.md5}]}).encode())
            elif self.path == "/bytes" or "/files/DinoBloom-B.pth" in self.path:
                self._send_bytes()
            else:
                self.send_error(404)

        def _send_bytes(self):
            """From the byte on that is asked for, and `n_sent` of them at most."""
            state.n_answers -= 1
            if state.n_answers < 0:
                self.send_error(503)
                return
            asked_for = self.headers.get("Range")
            state.ranges += [asked_for] if asked_for else []
            first = int(asked_for.removeprefix("bytes=").split("-")[0]) if asked_for else 0
            self.send_response(206 if asked_for else 200)
            self.send_header("Content-Length", str(len(CONTENT) - first))
            if asked_for:
                self.send_header("Content-Range", f"bytes {first}-{len(CONTENT) - 1}/{len(CONTENT)}")
            self.end_headers()
            self.wfile.write(CONTENT[first : first + state.n_sent])

        def _send(self, body):
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=http.serve_forever)
    thread.start()
    state.url = f"http://127.0.0.1:{http.server_port}"
    yield state
    http.shutdown()
    thread.join()
    http.server_close()


def fetch(server, folder, origin="hub", **arguments):
    return fetch_weights("dinobloom-b", folder, origin, base_url=server.url, **arguments)


@pytest.mark.parametrize("origin", ["hub", "zenodo"])
def test_weights_arrive_whole_and_compared_with_what_their_origin_publishes(server, tmp_path, origin):
    told = []
    found = fetch(server, tmp_path / "weights", origin, progress=lambda n, total: told.append((n, total)))
    assert found.path.read_bytes() == CONTENT
    assert found.is_compared
    assert found.sha256 == hashlib.sha256(CONTENT).hexdigest()
    assert told[-1] == (len(CONTENT), len(CONTENT))
    assert sorted(path.name for path in found.path.parent.iterdir()) == [found.path.name, found.path.name + ".sha256"]


def test_weights_are_downloaded_once(server, tmp_path):
    first = fetch(server, tmp_path)
    n_asked = len(server.asked)
    assert fetch(server, tmp_path)[:2] == first[:2]
    assert len(server.asked) == n_asked


@pytest.mark.parametrize("is_published", [True, False])
def test_a_kept_file_remembers_whether_its_checksum_was_compared_when_it_came(server, tmp_path, is_published):
    if not is_published:
        server.etag = ""
    assert fetch(server, tmp_path).is_compared is is_published
    assert fetch(server, tmp_path).is_compared is is_published


@pytest.mark.parametrize("origin", ["hub", "zenodo"])
def test_other_bytes_than_the_published_ones_are_refused_and_not_kept(server, tmp_path, origin):
    server.etag, server.md5 = "0" * 64, "md5:" + "0" * 32
    with pytest.raises(ChecksumError, match=r"and 0+ is published; try again"):
        fetch(server, tmp_path, origin)
    assert list(tmp_path.iterdir()) == []


def test_a_cited_checksum_is_compared_whatever_the_origin_says(server, tmp_path, monkeypatch):
    monkeypatch.setattr(download, "CITED_SHA256", {"pytorch_model_b.bin": "1" * 64})
    with pytest.raises(ChecksumError, match="1111 is published"):
        fetch(server, tmp_path)


@pytest.mark.parametrize("origin", ["hub", "zenodo"])
def test_where_nothing_is_published_the_checksum_is_recorded_and_kept_to(server, tmp_path, origin):
    server.etag, server.md5 = "", ""
    found = fetch(server, tmp_path, origin)
    assert not found.is_compared
    assert found.path.with_name(found.path.name + ".sha256").read_text().startswith(found.sha256)
    found.path.write_bytes(CONTENT[:-1])
    with pytest.raises(ChecksumError, match=f"instead of {found.sha256}; delete both"):
        fetch(server, tmp_path, origin)


@pytest.mark.parametrize("origin", ["hub", "zenodo"])
def test_a_connection_that_ends_early_and_does_not_come_back_leaves_nothing_behind(server, tmp_path, origin):
    server.n_sent, server.n_answers = 1000, 1
    with pytest.raises(BackboneError, match=r"(_b\.bin|B\.pth\?download=1) cannot be fetched \(.*put it into"):
        fetch(server, tmp_path, origin)
    assert list(tmp_path.iterdir()) == []


def test_a_download_from_the_hub_goes_on_where_the_connection_broke(server, tmp_path, monkeypatch):
    monkeypatch.setattr(constants, "DOWNLOAD_CHUNK_SIZE", 100_000)  # a piece that is not whole comes again
    server.n_sent, told = 2 * len(CONTENT) // 3, []
    found = fetch(server, tmp_path, progress=lambda n, total: told.append((n, total)))
    assert found.path.read_bytes() == CONTENT
    assert found.is_compared
    assert server.asked.count(("GET", "/bytes")) == 2
    assert server.ranges == [f"bytes={server.n_sent // 100_000 * 100_000}-"]
    assert told == sorted(told)
    assert told[-1] == (len(CONTENT), len(CONTENT))


def test_the_file_and_its_checksum_are_those_of_one_commit(server, tmp_path):
    fetch(server, tmp_path)
    asked = [path for command, path in server.asked if command == "HEAD"]
    assert asked[0] == "/MarrLab/DinoBloom/resolve/main/pytorch_model_b.bin"
    assert asked[1:] == [f"/MarrLab/DinoBloom/resolve/{COMMIT}/pytorch_model_b.bin"]


def test_no_token_of_the_user_is_sent_to_the_hub(server, tmp_path, monkeypatch):
    sent = []
    plain = download.hf_hub_download
    monkeypatch.setattr(download, "hf_hub_download", lambda *a, **k: sent.append(k["token"]) or plain(*a, **k))
    fetch(server, tmp_path)
    assert sent == [False]


def test_a_missing_network_is_told_with_what_to_do(tmp_path):
    with pytest.raises(BackboneError, match=r"cannot be fetched .*put it into .* as pytorch_model_b\.bin"):
        fetch_weights("dinobloom-b", tmp_path, base_url="http://127.0.0.1:9")
    with pytest.raises(BackboneError, match=r"cannot be fetched .*put it into .* as DinoBloom-B\.pth"):
        fetch_weights("dinobloom-b", tmp_path, "zenodo", base_url="http://127.0.0.1:9")
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_is_not_there_is_told_with_its_address(server, tmp_path):
    with pytest.raises(BackboneError, match=r"records/10908163/files/DinoBloom-G\.pth\?download=1 cannot be fetched"):
        fetch_weights("dinobloom-g", tmp_path, "zenodo", base_url=server.url)


def test_only_web_addresses_are_opened(tmp_path):
    with pytest.raises(BackboneError, match="is no web address"):
        fetch_weights("dinobloom-s", tmp_path, base_url="file:///etc")


def test_the_published_places_are_those_of_the_authors():
    assert published("dinobloom-b").url == "https://huggingface.co/MarrLab/DinoBloom/resolve/main/pytorch_model_b.bin"
    assert published("dinobloom-s", "zenodo").url == (
        "https://zenodo.org/records/10908163/files/DinoBloom-S.pth?download=1"
    )


@pytest.mark.parametrize("name", ["dinobloom-x", "b", "vit_base_patch14_dinov2"])
def test_names_that_nobody_published_are_refused(name):
    with pytest.raises(BackboneError, match="choose dinobloom-s, -b, -l or -g"):
        published(name)


def test_a_choice_takes_weights_seed_or_download_in_this_order(tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr("cytosae_core.backbone.choose.fetch_weights", lambda *a, **k: asked.append(a) or 1 / 0)
    with pytest.raises(BackboneError, match="no such file"):
        choose_backbone(BackboneChoice("dinobloom-s", weights=tmp_path / "none.pth", device="cpu"))
    backbone = choose_backbone(BackboneChoice("vit_tiny_patch16_224", random_seed=3, device="cpu"))
    assert backbone.name == "random:vit_tiny_patch16_224:3"
    assert asked == []
    with pytest.raises(ZeroDivisionError):
        choose_backbone(BackboneChoice("dinobloom-s", weights_folder=tmp_path, device="cpu"))
    assert asked == [("dinobloom-s", tmp_path, "hub")]


@pytest.mark.parametrize("is_compared", [True, False])
def test_whoever_chooses_published_weights_is_told_whether_their_checksum_was_compared(
    tmp_path, monkeypatch, is_compared
):
    weights, told = Weights(tmp_path / "b.bin", "0" * 64, is_compared), []
    monkeypatch.setattr("cytosae_core.backbone.choose.fetch_weights", lambda *a, **k: weights)
    with pytest.raises(BackboneError, match="no such file"):
        choose_backbone(BackboneChoice("dinobloom-b", device="cpu"), notify=told.append)
    assert told == [weights]
