"""Entry of the app: page settings, sign-in, navigation. Streamlit runs this file once for each rerun."""

import functools
from collections.abc import Callable

import streamlit as st
from streamlit.navigation.page import StreamlitPage

from app import state
from app.api import COOKIE
from app.components import page_style, sign_in_form
from app.resources import OpenStudy, open_study, repository
from app.screens import answers, instructions, judge, progress, sign_in
from app.screens.context import Context
from cytosae_core.annotation.repository import Session
from cytosae_core.errors import CytosaeError


def main() -> None:
    """Show the sign-in page, or the screens of the rater's study; a known error is one sentence on the page."""
    st.set_page_config(page_title="CytoSAE workbench", page_icon="🔬", layout="wide")
    page_style.apply()
    try:
        session = repository().resume(st.context.cookies.get(COOKIE, ""))
        if session is None:
            sign_in.show()
        else:
            _screens(session)
    except CytosaeError as error:
        st.error(str(error))


def _screens(session: Session) -> None:
    opened = _study(session)
    if opened is None:
        st.info(f"{session.rater_code} takes part in no study yet; ask the coordinator.")
        return
    pages: dict[str, StreamlitPage] = {}
    context = Context(session, opened, pages)
    pages["instructions"] = _page(instructions.show, context, "Instructions", "instructions")
    for task in opened.study.tasks:
        shown = functools.partial(judge.show, task_id=task.task_id)
        pages[f"task-{task.task_id}"] = _page(shown, context, task.title, task.task_id)
    pages["progress"] = _page(progress.show, context, "My progress", "progress")
    pages["answers"] = _page(answers.show, context, "My answers", "answers")
    pages["sign-out"] = st.Page(sign_in_form.show_sign_out, title=f"Sign out {session.rater_code}", url_path="sign-out")
    st.navigation(list(pages.values()), position="top").run()


def _page(screen: Callable[[Context], None], context: Context, title: str, url_path: str) -> StreamlitPage:
    return st.Page(functools.partial(screen, context), title=title, url_path=url_path)


def _study(session: Session) -> OpenStudy | None:
    studies = repository().rater_studies(session.rater_id)
    if not studies:
        return None
    by_id = {study.study_id: study.title for study in studies}
    if len(by_id) > 1:
        _choose(by_id)
    chosen = state.chosen_study()
    return open_study(chosen if chosen in by_id else studies[0].study_id)


def _choose(by_id: dict[str, str]) -> None:
    with st.sidebar:
        state.choose_study(st.selectbox("Study", list(by_id), format_func=by_id.__getitem__))


main()
