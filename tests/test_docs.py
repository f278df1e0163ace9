"""What the README says exists, what exists is in the README, and what it tells people to type runs."""

import importlib
import os
import re
import runpy
import shlex
import shutil
import socket
import sys
from pathlib import Path
from typing import Any

import pytest

from cytosae_core import __version__
from tests.atlas.tiny import make_tiny_atlas
from tests.pipeline.shared import tiny_demo
from tests.pipeline.tiny_demo import TINY
from tests.test_architecture import tracked_files

__all__ = ["tiny_demo"]

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```bash\n(.*?)^```$", README, flags=re.MULTILINE | re.DOTALL)
ON_A_GPU = "# on a GPU server\n"
LIBRARY = (ROOT / "cytosae_core" / "README.md").read_text(encoding="utf-8")
TEN = re.findall(r"^```python\n(.*?)^```$", LIBRARY, flags=re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\((?!http)([^)#]+)\)")
PAGES = [name for name in tracked_files() if name.endswith(".md")]
SCRIPTS = sorted(path.stem for path in (ROOT / "scripts").glob("[!_]*.py"))


def commands(blocks) -> list[list[str]]:
    """The commands of these blocks as words, without what stands behind #."""
    lines = "\n".join(blocks).splitlines()
    return [words for line in lines if (words := shlex.split(line, comments=True))]


def script_of(words: list[str]) -> str | None:
    """Name of the script that a command runs."""
    named = [Path(word).stem for word in words if word.startswith("scripts/")]
    return named[0] if named else None


COMMANDS = [(script_of(words), words) for words in commands(BLOCKS) if script_of(words)]


def test_every_script_of_the_readme_exists_and_every_script_for_users_is_in_it():
    named = set(re.findall(r"(?:scripts/|`)(\w+)\.(?:py|sh)", README))
    assert {"start", "test"} <= named
    files = {path.stem for path in (ROOT / "scripts").iterdir()}
    assert [name for name in set(re.findall(r"scripts/(\w+)\.", README)) if name not in files] == []
    measuring = {name for name in SCRIPTS if name.startswith("bench_")}  # BENCHMARKS.md names those
    assert set(SCRIPTS) - measuring - named == set()


@pytest.mark.parametrize("page", PAGES)
def test_every_file_that_a_page_links_to_exists(page):
    links = LINK.findall((ROOT / page).read_text(encoding="utf-8"))
    assert [link for link in links if not (ROOT / page).parent.joinpath(link).is_file()] == []


def test_every_picture_is_shown():
    links = LINK.findall(README)
    pictures = {path.relative_to(ROOT).as_posix() for path in (ROOT / ".readme").iterdir()}
    assert pictures <= set(links)


@pytest.mark.slow
def test_the_ten_blocks_of_the_library_run_in_an_empty_folder_without_a_network(tmp_path, monkeypatch, capsys):
    def refuse(self, address):
        raise AssertionError(f"a block connects to {address}")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.chdir(tmp_path)
    assert len(TEN) == 10
    names: dict[str, Any] = {}
    for number, block in enumerate(TEN, start=1):
        exec(compile(block, f"block {number}", "exec"), names)
    assert {path.name for path in tmp_path.iterdir()} >= {"cells", "tokens", "sae", "atlas", "annotations.db"}
    assert names["trained"].sae_id == names["checkpoint"].sae_id == names["atlas"].sae_id
    assert tuple(names["activations"].shape) == (1, 257, names["checkpoint"].d_sae)
    assert names["barcodes"].shape == (4, names["checkpoint"].d_sae)
    assert list(names["judgements"]["answer_meaningful"]) == ["no"]
    assert len(capsys.readouterr().out.splitlines()) > 20
    names["engine"].dispose()


@pytest.mark.slow
@pytest.mark.parametrize("script", SCRIPTS)
def test_every_script_says_what_it_does_and_knows_the_options_that_the_readme_gives_it(forks, script):
    done = forks.run(f"{script}.py", "--help")
    text = done.stdout + done.stderr
    assert done.returncode == 0, text
    assert "usage:" in text.lower()
    of_torchrun = {
        word for _, words in COMMANDS if words[0] == "torchrun" for word in words if re.search("proc|alone", word)
    }
    given = {word for name, words in COMMANDS if name == script for word in words if re.match(r"--[a-z]", word)}
    assert [option for option in given - of_torchrun if option not in text] == []


def test_the_commands_of_the_readme_were_found():
    names = {name for name, _ in COMMANDS}
    assert {"start", "doctor", "import_release", "create_study", "export_study", "add_rater", "build_atlas"} <= names


def test_the_readme_says_research_use_only():
    assert "Research use only" in README


def test_figures_of_the_gpu_way_are_marked_as_measured_or_computed():
    table = README.partition("| step | disk |")[2].partition("\n\n")[0]
    cells = [cell for row in table.splitlines()[2:] for cell in row.split("|")[2:-1] if re.search(r"\d", cell)]
    assert len(cells) > 5
    assert [cell for cell in cells if "measured" not in cell and "computed" not in cell] == []
    assert "No GPU was" in README


def test_the_hooks_of_pre_commit_run_what_the_one_check_command_runs():
    hooks = re.findall(
        r"^ +entry: (?:env OMP_NUM_THREADS=1 )?(.+)$", (ROOT / ".pre-commit-config.yaml").read_text(), re.M
    )
    script = (ROOT / "scripts" / "test.sh").read_text()
    checks = re.findall(r"^(?:exec )?(\.venv/bin/.+?)(?: \"\$@\")?$", script, re.M)
    assert len(checks) == 4
    assert hooks == checks


def test_the_citation_names_the_version_and_the_paper():
    citation = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    assert f"\nversion: {__version__}\n" in citation
    authors = re.findall(r"family-names: (\w+)", citation)
    assert authors == ["Dasdelen", "Lim", "Buck", "Götze", "Marr", "Schneider"]
    assert re.findall(r"\. (\w+), ", README.partition("Please cite: ")[2].partition(". CytoSAE")[0]) == authors[:-1]


NO_GPU = [block for block in BLOCKS if not block.startswith(ON_A_GPU)]
NOT_HERE = {"test": "is what runs these tests"}
SHORTER = {
    "classify_patients": "--n-folds 3 --n-seeds 1 --thresholds -3 --n-permutations 3 --mil.max-epochs 2",
    "compare_groups": "--n-bootstrap 5",
    "score_attributes": "--n-bootstrap 5 --n-random 4 --n-shuffles 3",
    "make_figures": "--n-latents 2 --n-sheets 1 --no-static",
    "export_study": "--n-resamples 20 --out artifacts/exports",
    "create_study": "--n-clusters 4 --n-per-cluster 3 --min-pictures 3 --out artifacts/studies",
    "backup_database": "--output copy.db",
    "doctor": "--quick",
}
"""Options that make a command cheap, or keep it out of this checkout, and change nothing else."""


@pytest.mark.slow
def test_every_command_of_the_readme_that_needs_no_gpu_runs(tiny_demo, tmp_path, monkeypatch, capsys):
    reader = Reader(tiny_demo, tmp_path, monkeypatch)
    ran = []
    for words in commands(NO_GPU):
        if (name := script_of(words)) in NOT_HERE or words[0] in ("source", "streamlit"):
            continue
        if name is None:
            assert words == ["run=$(echo", "artifacts/runs/SIMULATED-demo-*)"]
        elif not (
            name in ("import_release",) or "--tables" in words
        ):  # tests/scripts/test_import_release.py runs those
            reader.types(name, words)
            ran.append(name)
    assert {"start", "doctor", "classify_patients", "make_figures", "create_study", "add_rater", "export_study"} <= set(
        ran
    )
    (export, *_) = (tmp_path / "artifacts" / "exports").iterdir()
    assert all("SIMULATED" in path.name for path in export.iterdir())
    capsys.readouterr()


def _run(script: Path) -> object:
    """The exit code of a script that is run in this process, or what it says on its way out."""
    try:
        runpy.run_path(str(script), run_name="__main__")
    except SystemExit as left:
        return left.code
    return 0


class Reader:
    """Somebody who types what the README says, in a folder where the demo was made in small."""

    def __init__(self, demo, folder: Path, monkeypatch) -> None:
        self.demo, self.folder, self.patch, self.study_id = demo, folder, monkeypatch, ""
        for variable in ("CYTOSAE_ATLAS",):
            monkeypatch.delenv(variable, raising=False)
        monkeypatch.chdir(folder)
        monkeypatch.syspath_prepend(ROOT / "scripts")
        monkeypatch.setenv("CYTOSAE_DATABASE", str(folder / "annotations.db"))
        make_tiny_atlas(folder / "artifacts" / "atlas", datasets=("mll23", "acevedo"), simulated=True)
        self._send_results_here()

    def _send_results_here(self) -> None:
        """What start.py makes goes here, of few cells; it ends where it would become the server."""
        pipeline, start = (importlib.import_module(name) for name in ("_pipeline", "_start"))
        self.patch.setattr(start, "ROOT", self.folder)
        demo, images = pipeline.atlas_of_demo, pipeline.atlas_of_images
        self.patch.setattr(pipeline, "atlas_of_demo", lambda: demo(TINY, self.demo.folder))
        self.patch.setattr(
            pipeline, "atlas_of_images", lambda words, csv, groups: images(words, csv, groups, TINY, self.folder)
        )
        self.patch.setattr(os, "execv", lambda *_: None)

    def types(self, name: str, words: list[str]) -> None:
        """Run one command in this process, as the shell would hand it over."""
        arguments = words[next(i for i, word in enumerate(words) if word.startswith("scripts/")) + 1 :]
        filled = [self._filled(word, words) for word in arguments]
        self.patch.chdir(self.folder)
        self.patch.setattr(sys, "argv", [f"scripts/{name}.py", *filled, *SHORTER.get(name, "").split()])
        for made in ("artifacts/patients", "artifacts/figures"):
            if "--out" in filled and made == filled[filled.index("--out") + 1]:
                shutil.rmtree(made, ignore_errors=True)
        left = _run(ROOT / "scripts" / f"{name}.py")
        assert left in (0, None), f"{' '.join(words)}: {left}"
        if name == "start":
            self._remember_study()

    def _filled(self, word: str, words: list[str]) -> str:
        """The word with what it stands for."""
        if word == "FOLDER" and "--atlas" in words:
            return str(self.demo.paths.atlas)
        if word == "FOLDER":
            return str(self.demo.paths.rendered / "data")
        word = (
            {"acevedo": "hehr"}.get(word, word) if "--images" in words else word
        )  # there are rendered cells of this one
        return word.replace("$run", str(self.demo.paths.folder)).replace("STUDY_ID", self.study_id)

    def _remember_study(self) -> None:
        from cytosae_core.judging.database import open_engine
        from cytosae_core.judging.repository import Repository

        studies = Repository(open_engine(self.folder / "annotations.db")).studies.all()
        self.study_id = studies[-1].study_id
