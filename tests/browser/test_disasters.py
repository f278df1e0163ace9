"""What hurts: the server dies, the disk is full, the database is held. No acknowledged judgement is ever lost."""

import os
import random
import subprocess
import time

import pytest
from playwright.sync_api import expect

from cytosae_core.judging.database import open_engine, writing
from tests.app.conftest import copied_site
from tests.browser.server import Server, wait_until

pytestmark = [pytest.mark.browser, pytest.mark.slow]


@pytest.fixture
def own_site(prepared, tmp_path):
    return copied_site(prepared, tmp_path)


@pytest.fixture
def start(tmp_path):
    """Start a server that a test may kill."""
    servers = []

    def start(database_path):
        server = Server(database_path, tmp_path / "server.log")
        server.start()
        servers.append(server)
        return server

    yield start
    for server in servers:
        server.stop()


def stored(site):
    table = site.repository.results.judgement_table(site.study.study_id)
    return table.sort_values("submitted_at")["item_id"].tolist()


def test_killing_the_server_during_saves_loses_no_acknowledged_judgement(own_site, start, open_browser):
    server = start(own_site.database_path)
    rater = open_browser(server.address, "R01")
    rater.sign_in()
    rater.open_task()
    acknowledged = []
    dice = random.Random(20261123)
    for round_number in range(3):
        for _ in range(2):
            acknowledged.append(rater.item)
            rater.press("n", "3")
            rater.save()
        in_flight = rater.item
        rater.press("n", "3", "Control+s")
        time.sleep(dice.uniform(0, 0.05))
        server.kill()
        assert set(acknowledged) <= set(stored(own_site)) <= {*acknowledged, in_flight}
        server.start()
        # The page is still there; what was in flight is sent again with the same nonce.
        rater.wait_for_item(other_than=in_flight)
        acknowledged.append(in_flight)
        assert stored(own_site) == acknowledged, f"after round {round_number}"


def test_without_a_server_the_rater_is_told_and_the_answers_stay(own_site, start, open_browser):
    server = start(own_site.database_path)
    rater = open_browser(server.address, "R01")
    rater.sign_in()
    rater.open_task()
    item, before = rater.item, rater.nonce
    server.kill()
    rater.press("y")
    rater.write("t", "Auer rods")
    rater.press("3", "Control+s")
    expect(rater.page.locator(".desk .status")).to_contain_text("Not saved: The server cannot be reached.")
    expect(rater.page.get_by_label("What is it?")).to_have_value("Auer rods")
    server.start()
    rater.wait_for_item(after=before)
    assert stored(own_site) == [item]


def test_a_database_that_is_held_gives_a_clear_message_and_the_judgement_can_be_saved_later(
    own_site, start, open_browser
):
    server = start(own_site.database_path)
    rater = open_browser(server.address, "R01")
    rater.sign_in()
    rater.open_task()
    item = rater.item
    rater.press("n", "3")
    expect(rater.page.locator(".desk .status")).to_contain_text("Draft kept")
    with writing(open_engine(own_site.database_path)):
        rater.press("Control+s")
        expect(rater.page.locator(".desk .status")).to_contain_text("Not saved")
    assert "database" in rater.status
    assert stored(own_site) == []
    rater.save()
    assert stored(own_site) == [item]


@pytest.fixture
def small_disk(tmp_path):
    """A disk of one megabyte."""
    path = tmp_path / "small-disk"
    path.mkdir()
    if os.geteuid() != 0:
        pytest.skip("needs root to mount a small disk")
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", path], check=False)
    if mounted.returncode != 0:
        pytest.skip("this machine does not allow mounting a small disk")
    yield path
    subprocess.run(["umount", "-l", path], check=True)


def test_a_full_disk_gives_a_clear_message_and_the_judgement_can_be_saved_later(
    prepared, small_disk, start, open_browser
):
    site = copied_site(prepared, small_disk)
    server = start(site.database_path)
    rater = open_browser(server.address, "R01")
    rater.sign_in()
    rater.open_task()
    item = rater.item
    rater.press("n", "3")
    expect(rater.page.locator(".desk .status")).to_contain_text("Draft kept")
    filler = small_disk / "filler"
    fill(filler)
    rater.press("Control+s")
    expect(rater.page.locator(".desk .status")).to_contain_text("Not saved")
    assert "full" in rater.status
    assert stored(site) == []
    filler.unlink()
    wait_until(lambda: save_works(rater, site, item), 60, "the judgement could not be saved after space was freed")


def fill(path):
    with path.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(b"\0" * 4096)
        except OSError:
            return


def save_works(rater, site, item) -> bool:
    rater.press("Control+s")
    rater.page.wait_for_timeout(500)
    return stored(site) == [item]
