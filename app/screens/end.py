"""The page at the end of a task."""

import streamlit as st

from app.components import notices
from app.resources import repository
from app.screens.context import Context


def show(context: Context, task_id: str) -> None:
    """Thanks, what was saved, and what can be done next."""
    study = context.opened.study
    progress = repository().desk.progress(context.session.rater_id, study.study_id)
    st.title("All done. Thank you.")
    notices.show_simulated(study.simulated)
    st.write(f"All {progress[task_id].n_items} screens of “{study.task(task_id).title}” are judged and saved.")
    for other in study.tasks:
        left = progress[other.task_id].n_items - progress[other.task_id].n_done
        if left:
            st.page_link(context.pages[f"task-{other.task_id}"], label=f"Go on with “{other.title}” ({left} left)")
    st.page_link(context.pages["answers"], label="Look through my answers, and revise them")
    st.caption(
        f"Receipt, to keep with your notes: {repository().studies.chain_head(study.study_id)}. With it, "
        "scripts/verify_study.py shows that nothing saved until now was changed."
    )
    notices.show_research_use()
