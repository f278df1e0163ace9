"""How far the rater is, and nobody else."""

import streamlit as st

from app.components import notices
from app.resources import repository
from app.screens.context import Context


def show(context: Context) -> None:
    """One bar per task, with what was saved last."""
    study = context.opened.study
    st.title("My progress")
    notices.show_simulated(study.simulated)
    for task in study.tasks:
        done = repository().desk.progress(context.session.rater_id, study.study_id)[task.task_id]
        st.subheader(task.title)
        st.progress(done.n_done / max(done.n_items, 1), text=f"{done.n_done} of {done.n_items} judged")
        if done.n_done < done.n_items:
            st.page_link(context.pages[f"task-{task.task_id}"], label="Go on")
    _last_saved(context)
    notices.show_research_use()


def _last_saved(context: Context) -> None:
    judged = repository().results.my_judgements(context.session.rater_id, context.study_id)
    if judged:
        last = max(one.submitted_at for one in judged)
        st.write(f"{len(judged)} answers are in the database; the last was saved on {last:%Y-%m-%d at %H:%M:%S} UTC.")
    else:
        st.write("Nothing was saved yet.")
