"""The demo's study in a real browser: every screen says SIMULATED, both tasks can be judged to the end and exported."""

import pandas as pd
import pytest
from playwright.sync_api import expect

from cytosae_core.evaluation.export import export_study
from cytosae_core.judging.database import open_engine
from cytosae_core.judging.repository import Repository
from tests.browser.rater import Rater, judge_concept
from tests.browser.server import Server
from tests.pipeline.shared import tiny_demo
from tests.pipeline.tiny_demo import ACCESS_CODE

__all__ = ["tiny_demo"]

pytestmark = [pytest.mark.browser, pytest.mark.slow]


@pytest.fixture
def database(tiny_demo, tmp_path):
    return tiny_demo.copied(tmp_path)


@pytest.fixture
def rater(database, chromium):
    server = Server(database, database.with_name("server.log"))
    server.start()
    context = chromium.new_context(viewport={"width": 1024, "height": 768})
    yield Rater(context.new_page(), server.address, "R01", ACCESS_CODE)
    context.close()
    server.stop()


def test_every_screen_of_the_demo_says_simulated_and_both_tasks_reach_the_export(
    rater, database, tiny_demo, tmp_path
):  # fmt: skip
    rater.sign_in()
    says_simulated(rater)
    rater.open_task("Concepts")
    says_simulated(rater)
    expect(rater.page.get_by_text("SIMULATED, in the look of AML Hehr")).to_be_visible()
    while not rater.is_done:
        judge_concept(rater)
        rater.save()
    says_simulated(rater)
    rater.open_task("Disease")
    while not rater.is_done:
        rater.save_answers("a", "1")
        says_simulated(rater)
        rater.save_answers("y")
    for page in ("My progress", "My answers"):
        rater.page.get_by_role("link", name=page, exact=True).click()
        expect(rater.page.get_by_role("heading", name=page)).to_be_visible()
        says_simulated(rater)
    repository = Repository(open_engine(database))
    export = export_study(repository, tiny_demo.study_id, tmp_path / "exports", n_resamples=20)
    assert all("SIMULATED" in path.name for path in export.iterdir())
    judgements = pd.read_csv(export / "judgements_SIMULATED.csv")
    items = repository.studies.load(tiny_demo.study_id).items
    n_stages = {"concept": 1, "disease": 2}
    assert len(judgements) == sum(n_stages[item.task_id] for item in items)
    assert "SIMULATED" in (export / "report_SIMULATED.md").read_text(encoding="utf-8")


def says_simulated(rater: Rater) -> None:
    """Whether the word stands where it is seen without scrolling."""
    expect(rater.page.get_by_text("SIMULATED").first).to_be_in_viewport()
