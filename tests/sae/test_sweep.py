"""An ablation of tiny runs: complete, resumable, and its table is what its runs say."""

import signal
import statistics

import pandas as pd
import pytest

from cytosae_core.errors import ConfigError
from cytosae_core.sae import train as training
from cytosae_core.sae.config import SaeConfig
from cytosae_core.sae.grid import Grid
from cytosae_core.sae.logs import read_metrics
from cytosae_core.sae.sweep import open_splits, run_sweep
from cytosae_core.sae.sweep_table import FIGURES, summarise, to_markdown
from tests.sae.records import held_out_figures
from tests.sae.toy_store import toy_store

TINY = SaeConfig(
    d_in=4, expansion=2, batch_images=4, n_images=24, warm_up_steps=2, checkpoint_every=2, evaluate_every=3,
    l1_coefficient=1e-3, learning_rate=1e-2,
)  # fmt: skip
GRID = Grid(TINY, 1, {"expansion": (2, 3), "block": (1, 2), "l1_coefficient": (1e-3, 1e-1)}, seeds=(0, 1))


@pytest.fixture(scope="module")
def splits(tmp_path_factory):
    return open_splits(toy_store(tmp_path_factory.mktemp("tokens") / "store"), GRID, 0.25, 0)


@pytest.fixture(scope="module")
def swept(splits, tmp_path_factory):
    folder = tmp_path_factory.mktemp("sweep") / "done"
    return folder, run_sweep(GRID, splits, folder)


def test_two_values_of_each_of_three_settings_make_a_table_of_six_rows(swept):
    folder, result = swept
    table = pd.read_csv(folder / "table.csv")
    assert table["setting"].tolist() == ["expansion", "expansion", "block", "block", "l1_coefficient", "l1_coefficient"]
    assert table["n_runs"].tolist() == [2] * 6
    assert result.is_finished
    assert len(result.runs) == 8
    assert (folder / "table.md").read_text(encoding="utf-8") == result.table
    assert result.table.count("**") - 2 == 3 * 2  # the chosen values, and once in the note


def test_a_row_is_the_mean_and_deviation_of_what_its_runs_wrote_down(swept):
    folder, _ = swept
    table = pd.read_csv(folder / "table.csv", dtype={"value": str}).set_index(["setting", "value"])
    for row, point in ((("expansion", "3"), "expansion-3"), (("block", "1"), "chosen")):
        written = [held_out_figures(read_metrics(folder / point / f"seed-{seed}")) for seed in (0, 1)]
        for name in ("mse_released", "l0", "explained_variance", "n_concepts", "dead_share"):
            values = [figures[name] for figures in written]
            assert table.loc[row, f"{name}_mean"] == pytest.approx(statistics.mean(values))
            assert table.loc[row, f"{name}_std"] == pytest.approx(statistics.stdev(values))


def test_a_finished_sweep_is_read_and_not_trained_again(swept, splits, monkeypatch):
    folder, result = swept
    monkeypatch.setattr(training, "training_step", None)
    again = run_sweep(GRID, splits, folder)
    pd.testing.assert_frame_equal(again.runs, result.runs)
    assert again.table == result.table


def test_values_can_be_added_to_a_finished_sweep(swept, splits, tmp_path):
    grid = Grid(TINY, 1, {"expansion": (2, 3)}, seeds=(0,))
    run_sweep(grid, splits, tmp_path)
    more = run_sweep(GRID, splits, tmp_path)
    pd.testing.assert_frame_equal(more.runs, swept[1].runs)


def test_a_killed_sweep_goes_on_to_the_same_table(swept, splits, tmp_path):
    class KilledError(Exception):
        pass

    def kill(n_done, n_all):
        if n_done > 0.4 * n_all:
            raise KilledError

    with pytest.raises(KilledError):
        run_sweep(GRID, splits, tmp_path, progress=kill)
    partly = pd.read_csv(tmp_path / "runs.csv")
    assert 0 < len(partly) < 8
    after = run_sweep(GRID, splits, tmp_path)
    pd.testing.assert_frame_equal(after.runs, swept[1].runs)


def test_a_sweep_that_is_asked_to_stop_says_so_and_goes_on(swept, splits, tmp_path):
    def stop(n_done, n_all):
        if n_done == 24 * 2 + 8 * 3:
            signal.raise_signal(signal.SIGTERM)

    stopped = run_sweep(GRID, splits, tmp_path, progress=stop)
    assert not stopped.is_finished
    assert stopped.runs["point"].tolist() == ["chosen"]
    after = run_sweep(GRID, splits, tmp_path)
    assert after.is_finished
    pd.testing.assert_frame_equal(after.runs, swept[1].runs)


def test_progress_rises_to_the_end_and_leaves_out_what_was_finished(splits, tmp_path):
    grid = Grid(TINY, 1, {"expansion": (3,)}, seeds=(0,))
    seen = []
    run_sweep(grid, splits, tmp_path, progress=lambda n_done, n_all: seen.append((n_done, n_all)))
    assert [n_done for n_done, _ in seen] == sorted(n_done for n_done, _ in seen)
    assert seen[-1] == (24 * 5, 24 * 5)
    seen.clear()
    run_sweep(Grid(TINY, 1, {"expansion": (3, 4)}, seeds=(0,)), splits, tmp_path,
              progress=lambda n_done, n_all: seen.append((n_done, n_all)))  # fmt: skip
    assert seen[-1] == (24 * 4, 24 * 4)


def test_a_run_that_diverges_is_named_and_the_others_are_trained(splits, tmp_path):
    grid = Grid(TINY, 1, {"learning_rate": (1e38,)}, seeds=(0,))
    result = run_sweep(grid, splits, tmp_path)
    assert result.runs["point"].tolist() == ["chosen"]
    assert list(result.failures) == ["learning_rate-1e+38, seed 0"]
    assert "Failed: learning_rate-1e+38, seed 0: " in result.table


def test_only_a_sweep_on_rendered_cells_is_called_simulated(swept, tmp_path):
    grid = Grid(TINY, 1, {"expansion": ()}, seeds=(0,))
    rendered = open_splits(toy_store(tmp_path / "store", simulated=True), grid, 0.25, 0)
    assert run_sweep(grid, rendered, tmp_path / "sweep").table.startswith("SIMULATED: ")
    assert "SIMULATED" not in swept[1].table


def test_a_block_without_tokens_is_refused(splits, tmp_path):
    with pytest.raises(ConfigError, match=r"block 7 has no tokens \(there are blocks 1, 2\); extract it"):
        run_sweep(Grid(TINY, 1, {"block": (7,)}), splits, tmp_path)


def test_images_must_be_held_out(tmp_path):
    splits = open_splits(toy_store(tmp_path / "store"), GRID, 0.0, 0)
    with pytest.raises(ConfigError, match="no images are held out"):
        run_sweep(GRID, splits, tmp_path / "sweep")


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ((0.83, 0.92), "0.875 ± 0.064"), ((2936.0, 3050.0), "2993 ± 81"), ((0.0, 0.0), "0.000 ± 0.000"),
        ((9e-4, 9.4e-4), "0.000920 ± 0.000028"), ((174.4,), "174"), ((), ""),
    ],
)  # fmt: skip
def test_a_cell_shows_two_digits_of_the_deviation(values, expected):
    runs = pd.DataFrame([{"point": "chosen", **dict.fromkeys(FIGURES, value)} for value in values])
    places = pd.DataFrame({"setting": ["expansion"], "value": ["2"], "point": ["chosen"]})
    table = summarise(runs, places) if values else summarise(pd.DataFrame(), places)
    row = to_markdown(table, {}, simulated=False).splitlines()[2]
    assert row.split(" | ")[5] == expected
