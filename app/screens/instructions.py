"""What the study asks for, before the first item."""

import streamlit as st

from app.components import notices
from app.resources import repository
from app.screens.context import Context
from cytosae_core.judging.repository import Progress
from cytosae_core.study.protocol import Task


def show(context: Context) -> None:
    """The instructions of each task, and the way in."""
    study = context.opened.study
    progress = repository().desk.progress(context.session.rater_id, study.study_id)
    st.title(study.title)
    notices.show_simulated(study.simulated)
    for column, task in zip(st.columns(max(2, len(study.tasks)), gap="large"), study.tasks, strict=False):
        with column:
            _task(context, task, progress[task.task_id])
    st.markdown(
        "Keys are written on the buttons; **Ctrl S** saves and goes on; **?** lists all keys. What you "
        "type is kept as you type it: you can close the page at any time and come back later."
    )
    notices.show_research_use()


def _task(context: Context, task: Task, done: Progress) -> None:
    st.header(task.title)
    st.markdown(task.instructions)
    n_left = done.n_items - done.n_done
    label = "Start" if done.n_done == 0 else f"Go on ({n_left} left)" if n_left else "All judged"
    if st.button(label, key=f"start-{task.task_id}", type="primary"):
        st.switch_page(context.pages[f"task-{task.task_id}"])
