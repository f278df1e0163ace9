"""The judging screen of one task, and the page at its end."""

import streamlit as st

from app import state
from app.components import judging_desk
from app.resources import repository
from app.screens import end
from app.screens.context import Context
from cytosae_core.artifacts.tables import RESEARCH_USE_ONLY


def show(context: Context, task_id: str) -> None:
    """The current item of the task, the judgement that is being revised, or the end page."""
    reference = state.revising()
    revising = reference if reference and reference["task"] == task_id else None
    if revising is None and _is_done(context, task_id):
        end.show(context, task_id)
        return
    event = judging_desk.show(
        context.study_id,
        task_id,
        notice=RESEARCH_USE_ONLY,
        simulated=context.opened.study.simulated,
        item={"item": revising["item"], "stage": revising["stage"]} if revising else None,
    )
    if event.revised:
        state.revise(None)
        st.switch_page(context.pages["answers"])
    if event.finished:
        st.rerun()


def _is_done(context: Context, task_id: str) -> bool:
    return repository().desk.current(context.session.rater_id, context.study_id, task_id) is None
