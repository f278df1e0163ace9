"""The judging desk: pictures, form, keyboard and saving of one task, run by the browser.

The desk asks the server for its turn and sends judgements by itself (`app.api`), so Streamlit reruns nothing
while a rater works; it reports only that all items are done, or that a revision was saved.
"""

from dataclasses import dataclass

import streamlit as st

from app.components.browser_code import script, style

_desk = st.components.v2.component(
    "judging_desk",
    css=style("desk.css"),
    js=script("viewer.js", "pictures.js", "form.js", "outbox.js", "saver.js", "keys.js", "desk.js"),
)


@dataclass(frozen=True)
class DeskEvent:
    """What the desk reported in this run."""

    finished: bool
    revised: bool


def show(study_id: str, task_id: str, *, notice: str, simulated: bool, item: dict[str, str] | None = None) -> DeskEvent:
    """Mount the desk; `item` ({"item", "stage"}) opens one judged item for revision instead of the current one."""
    data = {"study_id": study_id, "task_id": task_id, "notice": notice, "simulated": simulated, "item": item}
    result = _desk(data=data, key=f"desk-{study_id}-{task_id}", on_finished_change=_nothing, on_revised_change=_nothing)
    return DeskEvent(finished=bool(result.finished), revised=bool(result.revised))


def _nothing() -> None:
    """Streamlit reruns the script by itself; naming a callback declares the event."""
