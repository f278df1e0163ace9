"""A study with the real tasks and hand-written answers, as tables: no database, no pictures on disk."""

from collections.abc import Mapping

import pandas as pd

from cytosae_core.evaluation.answers import AnswerTable
from cytosae_core.study.protocol import Item, Stratum, Study, seal
from cytosae_core.study.tasks import concept_task, disease_task
from tests.study.tiny_study import fake_pictures

A, B = "CBFB::MYH11", "PML::RARA"
N_RANKS = 12
CLUSTERS = (Stratum(0, 12, 10, 5), Stratum(1, 99, 90, 5))

Given = Mapping[tuple[str, str, str], Mapping[str, object]]
"""(rater, item_id, stage_id) -> answers."""


def small_study(*, simulated: bool = False, with_disease: bool = True) -> Study:
    """Ten concept items from two clusters (c00 to c04 and c10 to c14), with controls, and 12 ranks per direction."""
    mains = [
        Item(f"c{k}{n}", "concept", "main", n, fake_pictures(f"c{k}{n}"), latent=100 * k + n, stratum=k)
        for k in (0, 1)
        for n in range(5)
    ]
    controls = [
        Item("r0", "concept", "repeat", 0, mains[0].pictures, latent=0, stratum=0, repeat_of="c00"),
        Item("d0", "concept", "decoy", 0, fake_pictures("d0")),
        Item("t0", "concept", "training", -1, fake_pictures("t0"), latent=7),
    ]
    ranked = [
        Item(f"{name}{n:02d}", "disease", "main", n % 3, fake_pictures(f"{name}{n}"), 500 + n, None, group, n)
        for name, group in (("a", A), ("b", B))
        for n in range(1, N_RANKS + 1)
    ]
    return seal(
        Study(
            study_id="",
            title="Small study",
            seed=11,
            created_at="2026-01-02T03:04:05+00:00",
            atlas_id="atlas-1",
            sae_id="sae-1",
            simulated=simulated,
            datasets=("cells",),
            tasks=(concept_task(), disease_task(A, B)) if with_disease else (concept_task(),),
            items=(*mains, *controls, *(ranked if with_disease else ())),
            strata=CLUSTERS,
        ),
        "small",
    )


def verdicts(rater: str, item_ids: list[str], values: str) -> dict[tuple[str, str, str], dict[str, object]]:
    """Answers to `meaningful`, one letter per item: y, n, a(rtefact), u (cannot judge), or - for none."""
    names = {"y": "yes", "n": "no", "a": "artefact", "u": "cannot_judge"}
    concept = {"concept": f"{rater}'s words"}
    return {
        (rater, item_id, "concept"): {"meaningful": names[value], **(concept if value == "y" else {})}
        for item_id, value in zip(item_ids, values, strict=True)
        if value != "-"
    }


def judgement_table(study: Study, given: Given, revised: Given | None = None) -> pd.DataFrame:
    """As `Results.judgement_table`: `given` is revision 1, `revised` the later ones."""
    rows = []
    for revision, answers_of in ((1, given), (2, revised or {})):
        for (rater, item_id, stage_id), answers in answers_of.items():
            is_latest = revision == 2 or (rater, item_id, stage_id) not in (revised or {})
            rows.append(_row(study, rater, item_id, stage_id, dict(answers), revision, is_latest))
    columns = list(_row(study, "R", study.items[0].item_id, "concept", {}, 1, True))
    table = pd.DataFrame(rows, columns=columns)
    moments = {name: pd.to_datetime(table[name], utc=True) for name in ("shown_at", "submitted_at")}
    numbers = pd.Series(range(1, len(table) + 1), index=table.index, dtype="int64")
    chain = {"chain_number": numbers, "chain_hash": numbers.map(lambda number: f"{number:064x}").astype(object)}
    return table.assign(**moments, **chain).astype(
        {"revision": "int64", "is_latest": bool, "overlay_used": bool, "seconds": float}
    )


def answer_table(study: Study, given: Given, revised: Given | None = None) -> AnswerTable:
    return AnswerTable(study, judgement_table(study, given, revised))


class Shelf:
    """Answers like a repository, without a database: it stands for the parts that an export asks."""

    def __init__(self, study: Study, judgements: pd.DataFrame) -> None:
        self.study, self.judgements = study, judgements
        self.studies = self.raters = self.results = self

    def load(self, study_id: str) -> Study:
        assert study_id == self.study.study_id
        return self.study

    def judgement_table(self, study_id: str) -> pd.DataFrame:
        return self.judgements

    def table(self, study_id: str, with_names: bool = False) -> pd.DataFrame:
        codes = sorted({"R01", "R02", *self.judgements["rater_code"]})
        table = pd.DataFrame({"rater_code": codes, "role": "haematologist", "years": 12.0})
        return table.assign(name="Dr. Grey") if with_names else table


def _row(
    study: Study, rater: str, item_id: str, stage_id: str, answers: dict[str, object], revision: int, is_latest: bool
) -> dict[str, object]:
    item = study.item(item_id)
    return {
        "judgement_id": f"{rater}-{item_id}-{stage_id}-{revision}",
        "study_id": study.study_id,
        "task_id": item.task_id,
        "item_id": item_id,
        "stage_id": stage_id,
        "role": item.role,
        "block": item.block,
        "rater_code": rater,
        "revision": revision,
        "is_latest": is_latest,
        "answers": answers,
        "shown_at": "2026-02-03T04:05:06+00:00",
        "submitted_at": "2026-02-03T04:05:16.5+00:00",
        "seconds": 10.5,
        "overlay_used": False,
        "pictures_digest": item.pictures_digest,
        "app_version": "1.0",
    }
