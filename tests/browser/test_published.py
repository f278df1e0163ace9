"""The main job, end to end: published tables and real cells in, two raters in Chromium, tables out.

The numbers in the exported tables are computed again here, from the bare database and the study's document, by code
that knows nothing of the project.
"""

import csv
import json
import random
import re
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from tests.browser.server import ROOT, Server

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.shared_data]

NAMES = ("vacuolated monocyte", "rosette", "two cells", "eosinophil granules")


def script(name, *arguments) -> str:
    command = [sys.executable, ROOT / "scripts" / name, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    return done.stdout


def judge(rater, dice: random.Random) -> None:
    """Answer one screen at random, but mostly yes, as experts do."""
    verdict = dice.choices(["y", "n", "a", "u"], [6, 3, 1, 1])[0]
    rater.press(verdict)
    if verdict == "y":
        rater.write("t", dice.choice(NAMES))
    rater.press(dice.choice("123"))
    rater.save()


@pytest.fixture(scope="module")
def prepared_study(published_atlas, tmp_path_factory) -> tuple[Path, str, dict[str, str]]:
    """Import, study and raters, by the scripts alone. Of the images, those of 300 latents are on disk."""
    folder = tmp_path_factory.mktemp("published")
    database = ("--database", folder / "annotations.db")
    made = script(
        "create_study.py", "--atlas", published_atlas, "--title", "Published", "--dataset", "mll23", "--seed", 7,
        "--out", folder / "studies", *database,
    )  # fmt: skip
    study_id = made.split()[0]
    codes = {}
    for rater in ("R01", "R02"):
        said = script("add_rater.py", "--study", study_id, "--code", rater, *database)
        codes[rater] = re.search(r"access code\s+(\S+)", said).group(1)
    return folder, study_id, codes


def test_two_raters_judge_fifty_latents_and_the_exported_numbers_are_right(prepared_study, open_browser):
    folder, study_id, codes = prepared_study
    server = Server(folder / "annotations.db", folder / "server.log")
    server.start()
    try:
        for number, (code, access_code) in enumerate(codes.items()):
            rater = open_browser(server.address, code)
            rater.access_code = access_code
            rater.sign_in()
            rater.open_task()
            dice = random.Random(number)
            for _ in range(50):
                judge(rater, dice)
            assert rater.is_done
    finally:
        server.stop()
    script("export_study.py", "--study", study_id, "--out", folder / "exports", "--database", folder / "annotations.db")
    (export,) = (folder / "exports").iterdir()
    check_export(export, folder / "annotations.db", folder / "studies" / study_id / "study.json")


def check_export(export: Path, database: Path, study_path: Path) -> None:
    study = json.loads(study_path.read_text())
    items = {item["item_id"]: item for item in study["items"]}
    with sqlite3.connect(database) as connection:
        rows = connection.execute(
            "SELECT rater_code, item_id, answers FROM judgements JOIN raters USING (rater_id)"
        ).fetchall()
    assert len(rows) == 100
    verdicts = {code: {} for code in ("R01", "R02")}
    for code, item_id, answers in rows:
        verdicts[code][item_id] = json.loads(answers)["meaningful"]
    first, second = ([verdicts[code][item_id] for item_id in items] for code in ("R01", "R02"))

    agreement = {
        (row["question_id"], row["raters"], row["statistic"], row["weighting"]): float(row["value"])
        for row in table(export, "agreement")
        if row["value"]
    }
    observed = sum(a == b for a, b in zip(first, second, strict=True)) / 50
    by_chance = sum(first.count(value) * second.count(value) for value in set(first + second)) / 50**2
    kappa = (observed - by_chance) / (1 - by_chance)
    assert agreement["meaningful", "R01 / R02", "percent", "plain"] == pytest.approx(observed)
    assert agreement["meaningful", "R01 / R02", "cohen_kappa", "plain"] == pytest.approx(kappa)

    shares = {(r["rater_code"], r["denominator"], r["weighting"]): float(r["share"]) for r in table(export, "shares")}
    size = {stratum["stratum"]: stratum["n_eligible"] for stratum in study["strata"]}
    for code, answers in verdicts.items():
        assert shares[code, "judged", "plain"] == pytest.approx(sum(v == "yes" for v in answers.values()) / 50)
        weighted = 0.0
        for stratum, n_eligible in size.items():
            inside = [value for item_id, value in answers.items() if items[item_id]["stratum"] == stratum]
            weighted += n_eligible * sum(value == "yes" for value in inside) / len(inside)
        assert shares[code, "judged", "cluster_weighted"] == pytest.approx(weighted / sum(size.values()))

    agreed = {
        row["item_id"]: row["consensus"] for row in table(export, "consensus") if row["question_id"] == "meaningful"
    }
    assert agreed == {i: a if a == b else "no_consensus" for i, a, b in zip(items, first, second, strict=True)}


def table(export: Path, name: str) -> list[dict[str, str]]:
    with (export / f"{name}.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))
