"""What was judged: a rater's own answers, and the table that agreement and exports are made from."""

from collections.abc import Callable
from typing import Any

import pandas as pd
from sqlalchemy import select

from cytosae_core.judging.models import JudgementRow, RaterRow
from cytosae_core.judging.records import Judged
from cytosae_core.judging.store import Store
from cytosae_core.judging.studies import Studies
from cytosae_core.study.protocol import Item

_COLUMNS = (
    "judgement_id",
    "study_id",
    "task_id",
    "item_id",
    "stage_id",
    "role",
    "block",
    "rater_code",
    "revision",
    "is_latest",
    "answers",
    "shown_at",
    "submitted_at",
    "seconds",
    "overlay_used",
    "pictures_digest",
    "app_version",
    "chain_number",
    "chain_hash",
)


class Results:
    """What was judged."""

    def __init__(self, store: Store, studies: Studies) -> None:
        self._store, self._studies = store, studies

    def my_judgements(self, rater_id: str, study_id: str) -> list[Judged]:
        """The rater's latest judgement of each stage of each item, in the order of their saving."""
        study = self._studies.load(study_id)
        columns = (JudgementRow.item_id, JudgementRow.stage_id, JudgementRow.revision, JudgementRow.answers)
        query = (
            select(*columns, JudgementRow.submitted_at)
            .where(JudgementRow.rater_id == rater_id, JudgementRow.study_id == study_id)
            .order_by(JudgementRow.chain_number.desc())
        )
        latest: dict[tuple[str, str], Judged] = {}
        with self._store.reading() as connection:
            for row in connection.execute(query):
                judged = Judged(row.item_id, study.item(row.item_id).task_id, *row[1:])
                latest.setdefault((row.item_id, row.stage_id), judged)
        return list(latest.values())[::-1]

    def judgement_table(self, study_id: str) -> pd.DataFrame:
        """Every judgement of the study, also those revised later, in the order of their saving.

        Columns: judgement_id, study_id, task_id, item_id, stage_id, role, block, rater_code, revision (from 1),
        is_latest (of this rater, item and stage), answers (dict), shown_at and submitted_at (aware, UTC), seconds
        (from the last showing before the saving; missing where the clock stepped back between), overlay_used,
        pictures_digest, app_version, chain_number (from 1, in the order of saving) and chain_hash.
        """
        study = self._studies.load(study_id)
        query = (
            select(JudgementRow.__table__, RaterRow.rater_code)
            .join(RaterRow, RaterRow.rater_id == JudgementRow.rater_id)
            .where(JudgementRow.study_id == study_id)
            .order_by(JudgementRow.chain_number)
        )
        with self._store.reading() as connection:
            rows = [dict(row) for row in connection.execute(query).mappings()]
        table = pd.DataFrame(rows, columns=[*JudgementRow.__table__.c.keys(), "rater_code"])
        items = {item.item_id: item for item in study.items}
        return _completed(table, lambda item_id: items[item_id])


def _completed(table: pd.DataFrame, item: Callable[[str], Item]) -> pd.DataFrame:
    moments: dict[str, Any] = {
        name: pd.to_datetime(table[name], utc=True).astype("datetime64[us, UTC]")
        for name in ("shown_at", "submitted_at")
    }
    newest = table.groupby(["rater_code", "item_id", "stage_id"])["revision"].transform("max")
    elapsed = (moments["submitted_at"] - moments["shown_at"]).dt.total_seconds()
    return table.assign(
        **moments,
        task_id=[item(item_id).task_id for item_id in table["item_id"]],
        role=[item(item_id).role for item_id in table["item_id"]],
        block=pd.array([item(item_id).block for item_id in table["item_id"]], dtype="int64").to_numpy(),
        revision=table["revision"].astype("int64"),
        overlay_used=table["overlay_used"].astype(bool),
        is_latest=(table["revision"] == newest).astype(bool),
        seconds=elapsed.where(elapsed >= 0),
    )[list(_COLUMNS)]
