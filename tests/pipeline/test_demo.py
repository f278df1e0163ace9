"""The demo in small: rendered cells to a study, every result marked, nothing made twice."""

import json

import pandas as pd
import pytest

from cytosae_core.atlas.atlas import LatentAtlas
from cytosae_core.judging.database import open_engine
from cytosae_core.judging.repository import Repository
from tests.pipeline.tiny_demo import run_tiny

pytestmark = pytest.mark.slow


def test_every_step_leaves_a_result_that_says_simulated(tiny_demo):
    paths = tiny_demo.paths
    assert json.loads((paths.rendered / "manifest.json").read_text())["simulated"] is True
    assert json.loads((paths.tokens / "manifest.json").read_text())["simulated"] is True
    assert json.loads((paths.sae / "manifest.json").read_text())["simulated"] is True
    atlas = LatentAtlas.open(paths.atlas)
    assert atlas.simulated
    assert atlas.has_maps
    assert atlas.datasets[0].um_per_px == pytest.approx(
        json.loads((paths.rendered / "manifest.json").read_text())["um_per_px"]
    )
    for folder in (paths.patients, paths.differential):
        assert all("SIMULATED" in path.name for path in folder.iterdir())
    study = Repository(open_engine(tiny_demo.folder / "annotations.db")).studies.load(tiny_demo.study_id)
    assert study.simulated
    assert "SIMULATED" in study.study_id
    assert {item.task_id for item in study.items} == {"concept", "disease"}


def test_a_second_run_makes_nothing_and_says_the_same(tiny_demo):
    told = run_tiny(tiny_demo.folder)
    assert [(report.name, report.seconds) for report in told] == [
        (name, None) for name in ("cells", "tokens", "autoencoder", "atlas", "patients", "groups")
    ]
    lines = {report.name: report.line for report in told}
    assert lines["cells"] == "45 SIMULATED cells of 15 patients in 5 groups"
    assert lines["tokens"] == "45 x 257 of width 192, cytosae-small, block 11"
    assert "192 latents" in lines["autoencoder"]
    scores = pd.read_csv(tiny_demo.paths.patients / "scores_SIMULATED.csv").set_index("method")["weighted_f1"]
    shown = (
        f"weighted F1 {scores['barcode probe, C by samples']:.2f} from barcodes, {scores['majority class']:.2f} from"
    )
    assert lines["patients"].startswith(shown)
    assert "3 stronger in CBFB::MYH11 and 3 stronger in PML::RARA" in lines["groups"]
