"""The ablation and the comparison from the command line."""

import runpy
import sys
from pathlib import Path

import pandas as pd
import pytest

from tests.sae.toy_store import toy_store

SCRIPTS = Path(__file__).resolve().parents[2] / "scripts"
TINY = [
    "--expansion=2", "--batch-images=4", "--n-images=16", "--warm-up-steps=2", "--checkpoint-every=2",
    "--evaluate-every=4", "--learning-rate=0.01",
]  # fmt: skip


@pytest.fixture
def script(monkeypatch):
    """Runs a script in this process, with these words as its command line."""
    monkeypatch.syspath_prepend(str(SCRIPTS))

    def call(name, *words):
        monkeypatch.setattr(sys, "argv", [name, *map(str, words)])
        runpy.run_path(str(SCRIPTS / f"{name}.py"), run_name="__main__")

    yield call
    for name in [name for name, module in sys.modules.items() if _lies_in_scripts(module)]:
        sys.modules.pop(name)


def _lies_in_scripts(module):
    return Path(getattr(module, "__file__", None) or "/").parent == SCRIPTS


def sweep_words(tmp_path, *vary):
    chosen = [word.replace("--", "--chosen.") for word in TINY]
    return ["--tokens", tmp_path / "store", "--out", tmp_path / "sweep", "--block", 1, "--held-out-share", 0.25,
            "--device", "cpu", "--seeds", 0, 1, *chosen, *vary]  # fmt: skip


def test_an_ablation_is_one_command_and_the_same_command_finds_it_finished(script, tmp_path, capsys):
    toy_store(tmp_path / "store")
    words = sweep_words(tmp_path, "--vary.expansion", 3, "--vary.ghost-gradients", True, False, "--vary.block", 2)
    script("sweep", *words)
    first = capsys.readouterr().out
    assert "| expansion | **2** | 2 |" in first
    assert "| ghost_gradients | False | 2 |" in first
    assert pd.read_csv(tmp_path / "sweep" / "table.csv")["n_runs"].tolist() == [2] * 6
    script("sweep", *words)
    assert capsys.readouterr().out == first


def test_the_curves_of_one_run_of_an_ablation_are_plotted_on_demand(script, tmp_path):
    toy_store(tmp_path / "store", simulated=True)
    script("sweep", *sweep_words(tmp_path, "--vary.expansion", 2, "--seeds", 3))
    run = tmp_path / "sweep" / "chosen" / "seed-3"
    script("plot_curves", "--run", run, "--out", tmp_path / "curves.html")
    assert "SIMULATED" in (tmp_path / "curves.html").read_text(encoding="utf-8")
    with pytest.raises(SystemExit, match=r"is neither \.html nor \.png; name one of these"):
        script("plot_curves", "--run", run, "--out", tmp_path / "curves.svg")


def test_a_failed_run_is_told_and_the_command_fails(script, tmp_path, capsys):
    toy_store(tmp_path / "store")
    with pytest.raises(SystemExit, match="2 runs failed; they are named below the table"):
        script("sweep", *sweep_words(tmp_path, "--vary.learning-rate", "1e38"))
    assert "Failed: learning_rate-1e+38, seed 1" in capsys.readouterr().out


def test_runs_of_two_backbones_are_compared_in_one_table(script, tmp_path, capsys):
    for name, backbone in (("real", "toy"), ("random", "random:toy:0")):
        toy_store(tmp_path / name, backbone=backbone, simulated=True)
        config = [word.replace("--", "--config.") for word in [*TINY, "--d-in=4"]]
        script("train_sae", "--tokens", tmp_path / name, "--out", tmp_path / f"{name}-run", "--block", 1,
               "--held-out-share", 0.25, "--device", "cpu", *config)  # fmt: skip
    capsys.readouterr()
    script(
        "compare_sae", "--run", tmp_path / "real-run", "--tokens", tmp_path / "real", "--random-run",
        tmp_path / "random-run", "--random-tokens", tmp_path / "random", "--out", tmp_path / "table.csv",
    )  # fmt: skip
    told = capsys.readouterr().out
    assert told.startswith("SIMULATED")
    assert "| SAE, random backbone: PCA at its L0 | random:toy:0 |" in told
    assert len(pd.read_csv(tmp_path / "table.csv")) == 4


def test_a_random_run_without_its_tokens_is_refused(script, tmp_path):
    with pytest.raises(SystemExit, match="--random-run and --random-tokens belong together"):
        script("compare_sae", "--run", tmp_path, "--tokens", tmp_path, "--random-run", tmp_path)
