"""The table of a run: complete, never half a file, and the same after an interruption."""

import pandas as pd
import pytest

from cytosae_core.errors import ArtifactError
from cytosae_core.sae.logs import METRICS_NAME, MetricsTable, read_metrics
from tests.sae.records import feed, figures, held_out_figures, record


def test_each_step_is_a_row_and_held_out_figures_stand_where_they_were_computed(tmp_path):
    observer = MetricsTable(tmp_path)
    feed(observer, 1, 5)
    observer.on_end()
    table = read_metrics(tmp_path)
    assert table["step"].tolist() == [1, 2, 3, 4, 5]
    assert table["mse"].tolist() == [2.0 / step for step in range(1, 6)]
    assert table["held_out_l0"].isna().tolist() == [True, False, True, False, True]
    assert held_out_figures(table) == figures(4)


def test_an_evaluation_before_the_first_step_has_a_row_of_its_own(tmp_path):
    observer = MetricsTable(tmp_path)
    observer.on_evaluation(0, {"l0": 7.0})
    observer.on_step(record(1))
    table = observer.table()
    assert table["step"].tolist() == [0, 1]
    assert table["n_images"].isna().tolist() == [True, False]


@pytest.mark.parametrize("killed_after", [4, 5, 6])
def test_a_resumed_run_has_the_table_of_one_that_was_never_interrupted(tmp_path, killed_after):
    whole, first, second = (tmp_path / name for name in ("whole", "broken", "broken"))
    for folder in (whole, first):
        folder.mkdir()
    observer = MetricsTable(whole)
    feed(observer, 1, 8)
    observer.on_end()
    observer = MetricsTable(first)
    feed(observer, 1, killed_after)
    observer.on_end()
    observer = MetricsTable(second)
    observer.on_start(4)
    feed(observer, 5, 8)
    observer.on_end()
    pd.testing.assert_frame_equal(read_metrics(whole), read_metrics(second))


def test_a_table_that_does_not_reach_the_checkpoint_is_refused(tmp_path):
    observer = MetricsTable(tmp_path)
    feed(observer, 1, 2)
    with pytest.raises(ArtifactError, match=r"ends at step 2, and the run goes on from step 4"):
        MetricsTable(tmp_path).on_start(4)


def test_a_run_that_begins_anew_forgets_what_another_left(tmp_path):
    observer = MetricsTable(tmp_path)
    feed(observer, 1, 4)
    observer = MetricsTable(tmp_path)
    observer.on_start(0)
    feed(observer, 1, 2)
    assert read_metrics(tmp_path)["step"].tolist() == [1, 2]


def test_a_missing_and_a_damaged_table_are_told_apart(tmp_path):
    with pytest.raises(ArtifactError, match=r"metrics\.parquet is missing; give the folder of a training run"):
        read_metrics(tmp_path)
    (tmp_path / METRICS_NAME).write_bytes(b"PAR1 and no more")
    with pytest.raises(ArtifactError, match="is damaged"):
        read_metrics(tmp_path)


def test_a_run_without_held_out_images_has_no_figures(tmp_path):
    observer = MetricsTable(tmp_path)
    observer.on_step(record(1))
    assert held_out_figures(observer.table()) == {}


def test_nothing_but_the_table_lies_in_the_folder(tmp_path):
    observer = MetricsTable(tmp_path)
    feed(observer, 1, 4)
    observer.on_end()
    assert [path.name for path in tmp_path.iterdir()] == [METRICS_NAME]
