"""The page of curves: complete, thin, honest about rendered data, and readable without a network."""

import importlib.util
import re

import pytest

from cytosae_core.errors import ConfigError
from cytosae_core.sae.curves import CURVES_NAME, N_POINTS, CurvesPage, page_of, plot_curves, write_picture
from cytosae_core.sae.logs import MetricsTable
from tests.sae.records import feed, record


def table_of(last, every=2):
    observer = MetricsTable(None)
    observer.on_checkpoint = lambda step: None
    feed(observer, 1, last, every)
    return observer.table()


def test_each_curve_holds_the_figures_of_the_table():
    figure = plot_curves(table_of(6), "run", simulated=False)
    curves = {trace.name: (list(trace.x), list(trace.y)) for trace in figure.data}
    assert curves["centred"] == ([2, 4, 6], [0.5, 0.75, pytest.approx(5 / 6)])
    assert curves["concepts"] == ([2, 4, 6], [2, 4, 6])


def test_a_run_without_held_out_images_has_fewer_panels():
    few, all_panels = plot_curves(table_of(3, every=9), "run", simulated=False), plot_curves(
        table_of(3), "run", simulated=False
    )  # fmt: skip
    assert len(few.data) == 4 < len(all_panels.data)
    assert "held out" not in str(few.layout.annotations)


def test_only_a_run_on_rendered_cells_is_called_simulated():
    assert "SIMULATED" in plot_curves(table_of(3), "run", simulated=True).layout.title.text
    assert "SIMULATED" not in plot_curves(table_of(3), "run", simulated=False).layout.title.text


def test_a_long_run_is_thinned():
    figure = plot_curves(table_of(5 * N_POINTS, every=100), "run", simulated=False)
    assert max(len(trace.x) for trace in figure.data) <= N_POINTS


def test_the_page_needs_nothing_from_elsewhere(tmp_path):
    table = MetricsTable(tmp_path)
    page = CurvesPage(table, "run", simulated=True)
    feed(table, 1, 4)
    page.on_end()
    text = (tmp_path / CURVES_NAME).read_text(encoding="utf-8")
    assert "SIMULATED" in text
    assert not re.findall(r"<(?:script|link)[^>]+(?:src|href)=", text)


def test_a_run_that_ended_before_its_first_step_has_an_empty_page(tmp_path):
    table = MetricsTable(tmp_path)
    assert b"<html" in page_of(plot_curves(table.table(), "run", simulated=False))


def test_one_step_is_a_point():
    table = MetricsTable(None)
    table.on_step(record(1))
    assert {trace.mode for trace in plot_curves(table.table(), "run", simulated=False).data} == {"markers"}


def test_a_picture_without_a_renderer_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ConfigError, match="kaleido is not installed: pip install kaleido"):
        write_picture(plot_curves(table_of(3), "run", simulated=False), tmp_path / "curves.png")
