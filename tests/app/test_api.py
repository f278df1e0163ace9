"""The routes: what they give, what they refuse, and what they never say."""

import base64
import dataclasses
import io
import json
import os
import shutil
import sqlite3
from datetime import timedelta

import numpy as np
import pytest
from PIL import Image
from starlette.applications import Starlette
from starlette.testclient import TestClient

from app import resources
from app.api import routes
from app.study_pictures import UNEVEN, map_levels
from cytosae_core.errors import StorageFullError
from cytosae_core.study.protocol import seal
from tests.app.conftest import ACCESS_CODES
from tests.atlas.tiny import make_tiny_atlas

HEADERS = {"X-Cytosae": "1"}
ANSWERS = {"meaningful": "yes", "concept": "vacuoles", "confidence": "2"}


@pytest.fixture
def client(site):
    with TestClient(Starlette(routes=routes()), headers=HEADERS) as client:
        yield client


@pytest.fixture
def unhurried(monkeypatch):
    """Tests need not wait 0.4 s before each answer; the guard itself has a test of its own."""
    monkeypatch.setattr("cytosae_core.judging.judgements.MIN_VIEWING", timedelta(0))


@pytest.fixture
def rater(client):
    done = client.post("/api/sign-in", json={"rater_code": "R01", "access_code": ACCESS_CODES["R01"]})
    assert done.status_code == 200
    return client


@pytest.fixture
def own_atlas(site, tmp_path, monkeypatch):
    """A copy of the site's atlas, to be damaged."""
    folder = shutil.copytree(site.atlas.path, tmp_path / "atlas")
    monkeypatch.setenv("CYTOSAE_ATLAS", str(folder))
    return folder


def turn_of(client, site, task="concept", **item):
    answer = client.get("/api/turn", params={"study": site.study.study_id, "task": task, **item})
    assert answer.status_code == 200, answer.text
    return answer.json()


def submit(client, site, turn, answers, task="concept"):
    body = {"study": site.study.study_id, "task": task, "nonce": turn["nonce"], "answers": answers}
    return client.post("/api/judgement", json=body)


def test_a_wrong_access_code_is_refused_and_sets_no_cookie(client):
    done = client.post("/api/sign-in", json={"rater_code": "R01", "access_code": "wrong"})
    assert done.status_code == 401
    assert "do not belong together" in done.json()["error"]
    assert not client.cookies


def test_the_session_cookie_is_out_of_reach_for_scripts(rater, client):
    done = client.post("/api/sign-in", json={"rater_code": "R02", "access_code": ACCESS_CODES["R02"]})
    assert "HttpOnly" in done.headers["set-cookie"]
    assert "SameSite=lax" in done.headers["set-cookie"]


@pytest.mark.parametrize("path", ["/api/turn?study=x&task=concept", "/cells/x/" + "0" * 64])
def test_nothing_is_shown_to_somebody_who_is_not_signed_in(client, path):
    answer = client.get(path)
    assert answer.status_code == 401
    assert "sign in" in answer.json()["error"]


def test_a_post_from_another_site_is_refused(rater, site):
    done = rater.post("/api/draft", json={}, headers={"X-Cytosae": ""})
    without = TestClient(Starlette(routes=routes()), cookies=dict(rater.cookies))
    assert without.post("/api/draft", json={}).status_code == 409
    assert done.status_code == 422


def test_signing_out_ends_the_session_everywhere(rater, site):
    cookies = dict(rater.cookies)
    assert rater.post("/api/sign-out", json={}).status_code == 200
    other = TestClient(Starlette(routes=routes()), cookies=cookies)
    assert other.get("/api/turn", params={"study": site.study.study_id, "task": "concept"}).status_code == 401


def test_a_turn_says_nothing_that_could_bias_the_rater(rater, site, unhurried):
    """Every item of both tasks, as sent before its submit."""
    for task in ("concept", "disease"):
        for _ in site.study.items_of(task):
            turn = turn_of(rater, site, task)
            item = next(one for one in site.study.items if one.item_id == turn["item_id"])
            assert turn["direction"] is None
            sent = json.dumps({name: value for name, value in turn.items() if name != "questions"})
            hidden = [picture.image_id for picture in item.pictures] + [f'"{item.role}"']
            hidden += ["basophil", "eosinophil", "lymphocyte", "monocyte", "neutrophil"]
            hidden += ["latent", "stratum", "cluster", "rank", "activation", "label", "role"]
            assert [word for word in hidden if word in sent] == []
            numbers = {name for name, value in turn.items() if isinstance(value, int)}
            assert numbers == {"position", "n_items", "n_done", "revision", "stage_number", "n_stages"}
            answers = ANSWERS if task == "concept" else {"group": "neither", "confidence": "1"}
            after = submit(rater, site, turn, answers, task)
            assert after.status_code == 200, after.text
            if task == "disease":
                revealed = after.json()["turn"]
                assert revealed["direction"] == item.direction
                assert submit(rater, site, revealed, {"specific": "no"}, task).status_code == 200


def test_the_direction_cannot_be_fetched_ahead_of_the_blind_answer(rater, site):
    turn = turn_of(rater, site, "disease")
    params = {"study": site.study.study_id, "task": "disease", "item": turn["item_id"], "stage": "revealed"}
    answer = rater.get("/api/turn", params=params)
    assert answer.status_code == 404
    assert "not judged yet" in answer.json()["error"]


def test_the_same_nonce_is_stored_once_and_acknowledged_twice(rater, site, unhurried):
    turn = turn_of(rater, site)
    first, second = (submit(rater, site, turn, ANSWERS) for _ in range(2))
    assert (first.status_code, second.status_code) == (200, 200)
    assert first.json()["saved_at"] == second.json()["saved_at"]
    assert len(site.repository.results.judgement_table(site.study.study_id)) == 1


def test_two_tabs_on_one_item_give_one_judgement_and_one_clear_refusal(rater, site, unhurried):
    one, other = turn_of(rater, site), turn_of(rater, site)
    assert one["nonce"] != other["nonce"]
    assert submit(rater, site, one, ANSWERS).status_code == 200
    refused = submit(rater, site, other, {**ANSWERS, "meaningful": "no"})
    assert refused.status_code == 409
    assert "already saved at" in refused.json()["error"]
    table = site.repository.results.judgement_table(site.study.study_id)
    assert table["answers"].tolist() == [ANSWERS]


def test_an_answer_to_an_item_that_was_only_just_shown_is_refused(rater, site):
    turn = turn_of(rater, site)
    body = {"study": site.study.study_id, "task": "concept", "nonce": turn["nonce"], "answers": ANSWERS}
    refused = rater.post("/api/judgement", json=body)
    assert refused.status_code == 409
    assert "ms after the item was shown" in refused.json()["error"]


def test_a_draft_comes_back_with_the_item(rater, site):
    turn = turn_of(rater, site)
    draft = {"meaningful": "yes", "concept": "half a wo"}
    body = {"nonce": turn["nonce"], "sequence": 1, "answers": draft}
    assert rater.post("/api/draft", json=body).status_code == 200
    assert turn_of(rater, site)["answers"] == draft


def test_a_revision_shows_the_answers_before_it(rater, site, unhurried):
    turn = turn_of(rater, site)
    submit(rater, site, turn, ANSWERS)
    again = turn_of(rater, site, item=turn["item_id"], stage=turn["stage_id"])
    assert (again["revision"], again["answers"]) == (2, ANSWERS)


def test_pictures_of_the_study_are_served_for_ever_and_no_others(rater, site):
    turn = turn_of(rater, site)
    shown = next(frame["picture"] for group in turn["groups"] for frame in group["frames"] if frame["picture"])
    picture = rater.get(f"/cells/{site.study.study_id}/{shown}")
    assert picture.status_code == 200
    assert "immutable" in picture.headers["cache-control"]
    assert not {"last-modified", "etag", "content-disposition"} & set(picture.headers), "dates give the class away"
    unknown = rater.get(f"/cells/{site.study.study_id}/{'0' * 64}")
    assert unknown.status_code == 404
    for path in ("..%2F..%2Fmanifest.json", "manifest.json"):
        assert rater.get(f"/cells/{site.study.study_id}/{path}").status_code == 404


def test_a_study_that_the_rater_has_no_part_in_is_refused(rater):
    answer = rater.get("/api/turn", params={"study": "other-000000000000", "task": "concept"})
    assert answer.status_code == 404
    assert "does not take part" in answer.json()["error"]


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"{", "not JSON"),
        (b"[]", "not an object"),
        (b"[" * 30_000, "not JSON"),
        (b"{}", "no number"),
        (b'{"sequence": 1}', "no text 'nonce'"),
        (b'{"sequence": 1, "nonce": "y", "answers": []}', "no answers"),
        (b'"' + b"x" * 70_000 + b'"', "larger than"),
    ],
)
def test_a_malformed_request_gets_a_sentence_and_stores_nothing(rater, site, body, message):
    answer = rater.post("/api/draft", content=body)
    assert answer.status_code == 422
    assert message in answer.json()["error"]


def test_each_map_is_on_a_scale_of_its_own(rater, site):
    turn = turn_of(rater, site)
    item = next(one for one in site.study.items if one.item_id == turn["item_id"])
    frames = [frame for group in turn["groups"] for frame in group["frames"]]
    assert any(frame["map"] for frame in frames)
    for picture, frame in zip(item.pictures, frames, strict=True):
        assert (frame["map"] is None) == (picture.sha256 is None or picture.map_index is None)
        if frame["map"]:
            sent = np.frombuffer(base64.b64decode(frame["map"]), dtype=np.uint8)
            stored = site.atlas.map(picture.map_index)
            assert sent.max() == 255
            assert np.abs(sent - 255 * stored.ravel() / stored.max()).max() <= UNEVEN + 0.5


def test_a_silent_map_is_sent_as_silent():
    assert not map_levels(np.zeros((16, 16), dtype=np.float32), np.random.default_rng(0)).any()


def test_a_picture_comes_whole_with_filling_behind_its_end_up_to_the_length_of_its_data_set(rater, site):
    turn = turn_of(rater, site)
    item = site.study.item(turn["item_id"])
    frames = [frame["picture"] for group in turn["groups"] for frame in group["frames"]]
    lengths = {}
    for picture, name in zip(item.pictures, frames, strict=True):
        if name is None:
            continue
        stored = site.atlas.picture_path(picture.sha256).read_bytes()
        content = rater.get(f"/cells/{site.study.study_id}/{name}").content
        assert content.startswith(stored)
        assert rater.get(f"/cells/{site.study.study_id}/{name}").content == content, "a name stands for the same bytes"
        lengths.setdefault(picture.dataset, set()).add(len(content))
        with Image.open(io.BytesIO(content)) as shown, Image.open(io.BytesIO(stored)) as sealed:
            assert np.array_equal(np.asarray(shown), np.asarray(sealed))
    assert [len(found) for found in lengths.values()] == [1, 1]


def change(path):
    """Another byte at the end; size and time of the file stay, as when a disk forgets."""
    before = path.stat()
    path.write_bytes(path.read_bytes()[:-1] + bytes([path.read_bytes()[-1] ^ 1]))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def shown_picture(rater, site):
    turn = turn_of(rater, site)
    place, name = next((k, frame["picture"]) for k, frame in enumerate(turn["groups"][0]["frames"]) if frame["picture"])
    return site.study.item(turn["item_id"]).pictures[place].sha256, f"/cells/{site.study.study_id}/{name}"


@pytest.mark.parametrize(
    ("damage", "status", "text"),
    [(change, 500, "was changed after the study was made"), (os.remove, 404, "is missing on the server")],
)
def test_a_picture_that_is_not_the_sealed_one_is_refused_in_words_that_tell_no_file(
    own_atlas, rater, site, damage, status, text
):
    digest, address = shown_picture(rater, site)
    assert rater.get(address).status_code == 200
    damage(own_atlas / "display" / digest[:2] / f"{digest}.webp")
    refused = rater.get(address)
    assert refused.status_code == status
    assert text in refused.json()["error"]
    assert "tell your coordinator, who finds it with: python scripts/doctor.py" in refused.json()["error"]
    assert digest[:8] not in refused.text
    assert str(own_atlas) not in refused.text


def test_maps_that_are_not_the_sealed_ones_are_not_shown(own_atlas, rater, site):
    change(own_atlas / "maps.npy")
    refused = rater.get("/api/turn", params={"study": site.study.study_id, "task": "concept"})
    assert refused.status_code == 500
    assert "maps.npy was changed since it was written" in refused.json()["error"]


def test_a_study_of_the_first_format_is_judged_as_before(rater, site, unhurried):
    old = seal(dataclasses.replace(site.study, format_version=1, salt="", salt_sha256=""), "old")
    site.repository.studies.register(old, str(site.atlas.path))
    site.repository.raters.add("R01", old.study_id)
    answer = rater.get("/api/turn", params={"study": old.study_id, "task": "concept"})
    assert answer.status_code == 200, answer.text
    turn = answer.json()
    shown = [frame["picture"] for group in turn["groups"] for frame in group["frames"] if frame["picture"]]
    assert all(rater.get(f"/cells/{old.study_id}/{name}").status_code == 200 for name in shown)
    body = {"study": old.study_id, "task": "concept", "nonce": turn["nonce"], "answers": ANSWERS}
    assert rater.post("/api/judgement", json=body).status_code == 200
    assert site.repository.results.judgement_table(old.study_id)["item_id"].tolist() == [turn["item_id"]]


def test_a_study_that_was_edited_in_the_database_is_refused(rater, site):
    with sqlite3.connect(site.database_path) as connection:
        connection.execute("UPDATE studies SET document = replace(document, 'Guess', 'Certain guess')")
    answer = rater.get("/api/turn", params={"study": site.study.study_id, "task": "concept"})
    assert answer.status_code == 404
    assert "was changed after it was made" in answer.json()["error"]


def test_an_atlas_that_the_study_was_not_made_from_is_refused(rater, site, tmp_path, monkeypatch):
    make_tiny_atlas(tmp_path / "other", n_latents=60, seed=9)
    monkeypatch.setenv("CYTOSAE_ATLAS", str(tmp_path / "other"))
    answer = rater.get("/api/turn", params={"study": site.study.study_id, "task": "concept"})
    assert answer.status_code == 404
    assert "set CYTOSAE_ATLAS to the folder of the right one" in answer.json()["error"]


def test_a_session_lasts_as_long_as_somebody_works(rater, site):
    answer = rater.get("/api/turn", params={"study": site.study.study_id, "task": "concept"})
    assert "Max-Age=43200" in answer.headers["set-cookie"]


def test_other_answers_under_a_stored_nonce_are_refused_and_not_called_saved(rater, site, unhurried):
    turn = turn_of(rater, site)
    assert submit(rater, site, turn, ANSWERS).status_code == 200
    refused = submit(rater, site, turn, {**ANSWERS, "meaningful": "no"})
    assert refused.status_code == 409
    assert "with other answers" in refused.json()["error"]


def test_a_part_of_the_repository_can_be_replaced_and_the_others_go_on(rater, site, unhurried, monkeypatch):
    class FullDesk:
        def submit_and_show_next(self, *_, **__):
            raise StorageFullError("the disk is full")

    turn = turn_of(rater, site)
    with monkeypatch.context() as patched:
        patched.setattr(resources.repository(), "desk", FullDesk())
        refused = submit(rater, site, turn, ANSWERS)
        body = {"nonce": turn["nonce"], "sequence": 1, "answers": ANSWERS}
        assert rater.post("/api/draft", json=body).status_code == 200
    assert (refused.status_code, refused.json()["error"]) == (507, "the disk is full")
    assert submit(rater, site, turn, ANSWERS).status_code == 200


def test_an_item_of_another_task_is_refused(rater, site, unhurried):
    turn = turn_of(rater, site)
    submit(rater, site, turn, ANSWERS)
    params = {"study": site.study.study_id, "task": "disease", "item": turn["item_id"], "stage": "concept"}
    assert rater.get("/api/turn", params=params).status_code == 404
