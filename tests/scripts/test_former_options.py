"""Options that got a better name are still understood by the name they had in version 1."""

import importlib
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def parsed(monkeypatch):
    """What a script's `main` would get from these words."""
    monkeypatch.syspath_prepend(ROOT / "scripts")

    def parse(name, *words):
        script, cli, taken = importlib.import_module(name), importlib.import_module("_cli"), []
        monkeypatch.setattr(sys, "argv", [name, *words])
        cli.run(taken.append, script.Config)
        return taken[0]

    return parse


def test_the_training_of_the_small_backbone_takes_its_former_options(parsed):
    found = parsed("train_backbone", "--recipe.n-drawn-per-type", "3", "--recipe.drawn-share=0.5", "--recipe.seed", "7")
    assert (found.training.n_rendered_per_type, found.training.rendered_share, found.training.seed) == (3, 0.5, 7)
    assert parsed("train_backbone", "--training.n-rendered-per-type", "3").training.n_rendered_per_type == 3


def test_the_probe_takes_its_former_option(parsed):
    assert parsed("probe_backbone", "--n-drawn-per-type", "4").n_rendered_per_type == 4


@pytest.mark.parametrize("now", [False, True])
def test_the_scores_and_the_comparison_take_the_folder_of_rendered_cells_by_both_names(parsed, now):
    option = "--rendered" if now else "--drawn"
    scored = parsed("score_attributes", "--tokens", "T", "--sae", "S", "--out", "O", option, "cells")
    compared = parsed("compare_groups", "--atlas", "A", "--groups", "X", "Y", "--out", "O", f"{option}=cells")
    assert scored.rendered == compared.rendered == Path("cells")
