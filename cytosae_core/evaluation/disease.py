"""The disease task in numbers: how many differential latents are disease-specific, and what was guessed blindly."""

from collections.abc import Sequence

import pandas as pd

from cytosae_core.evaluation.answers import AnswerTable
from cytosae_core.evaluation.consensus import CONSENSUS, consensus_answers
from cytosae_core.evaluation.intervals import wilson
from cytosae_core.study.protocol import Item
from cytosae_core.study.tasks import DISEASE_TASK

COLUMNS = ("measure", "direction", "top", "rater_code", "n_yes", "n_judged", "n_shown", "share", "low", "high")
TOP = 10


def disease_table(table: AnswerTable) -> pd.DataFrame:
    """Counts for each rater and the consensus, direction and length of the ranking (the top 10 and all).

    `measure` is "specific" (judged specific and recognisable with the direction shown) or "blind_correct" (the group
    chosen before it was shown is the one in which the latent is stronger). `n_judged` counts every answer, "cannot
    judge" and "cannot tell" included; `n_shown` the items; intervals are Wilson's over `n_judged`. Columns as in
    COLUMNS; no rows when the study has no disease task.
    """
    if DISEASE_TASK not in [task.task_id for task in table.study.tasks]:
        return pd.DataFrame(columns=list(COLUMNS))
    items = table.items(DISEASE_TASK)
    specific = _with_consensus(table.answers(DISEASE_TASK, "revealed", "specific"))
    guessed = _with_consensus(table.answers(DISEASE_TASK, "blind", "group"))
    rows = []
    for direction, top in _cuts(items):
        shown = [item for item in items if item.direction == direction and (item.rank or 0) <= top]
        for rater in (*table.raters, CONSENSUS):
            rows.append(_row("specific", direction, top, rater, specific[rater], shown, "yes"))
            rows.append(_row("blind_correct", direction, top, rater, guessed[rater], shown, direction))
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _with_consensus(answers: pd.DataFrame) -> pd.DataFrame:
    return answers.assign(**{CONSENSUS: consensus_answers(answers)})


def _cuts(items: Sequence[Item]) -> list[tuple[str, int]]:
    """Each direction with the lengths of the ranking to report, in the order of the items."""
    longest: dict[str, int] = {}
    for item in items:
        longest[str(item.direction)] = max(longest.get(str(item.direction), 0), item.rank or 0)
    return [(direction, top) for direction, last in longest.items() for top in sorted({min(TOP, last), last})]


def _row(
    measure: str, direction: str, top: int, rater: str, answers: "pd.Series[str]", shown: Sequence[Item], wanted: str
) -> dict[str, object]:
    given = answers.reindex([item.item_id for item in shown]).dropna()
    share = wilson(int((given == wanted).sum()), len(given))
    return {
        "measure": measure,
        "direction": direction,
        "top": top,
        "rater_code": rater,
        "n_yes": int((given == wanted).sum()),
        "n_judged": len(given),
        "n_shown": len(shown),
        "share": share.value,
        "low": share.low,
        "high": share.high,
    }
