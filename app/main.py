"""Entry of the app: page settings, sign-in, navigation. Streamlit runs this file once for each rerun."""

import functools
from collections.abc import Callable

import streamlit as st
from streamlit.navigation.page import StreamlitPage

from app import log, state
from app.api import COOKIE
from app.components import page_style, sign_in_form
from app.resources import OpenStudy, open_study, repository
from app.screens import answers, instructions, judge, progress, sign_in
from app.screens.context import Context
from cytosae_core.errors import CytosaeError
from cytosae_core.judging.repository import Session, StudySummary


def main() -> None:
    """Show the sign-in page, or the screens of the rater's study; a known error is one sentence on the page."""
    st.set_page_config(page_title="CytoSAE workbench", page_icon="🔬", layout="wide")
    page_style.apply()
    try:
        session = repository().sessions.resume(st.context.cookies.get(COOKIE, ""))
        if session is None:
            sign_in.show()
        else:
            _screens(session)
    except CytosaeError as error:
        log.refused("page", "unknown", error, 200)
        st.error(str(error))


def _screens(session: Session) -> None:
    studies = repository().raters.studies_of(session.rater_id)
    if not studies:
        st.info(f"{session.rater_code} takes part in no study yet; ask the coordinator.")
        return
    # The address of each page names its study, so that a reload never changes it.
    sections = {_name(study): _pages(session, open_study(study.study_id)) for study in studies}
    sign_out = st.Page(sign_in_form.show_sign_out, title=f"Sign out {session.rater_code}", url_path="sign-out")
    if len(studies) == 1:
        st.navigation([*sections[_name(studies[0])], sign_out], position="top").run()
    else:
        st.navigation({**sections, session.rater_code: [sign_out]}, position="top").run()


def _name(study: StudySummary) -> str:
    return f"{study.title} · {study.study_id.rpartition('-')[2][:4]}"  # two studies may have one title


def _pages(session: Session, opened: OpenStudy) -> list[StreamlitPage]:
    pages: dict[str, StreamlitPage] = {}
    context = Context(session, opened, pages)
    pages["instructions"] = _page(instructions.show, context, "Instructions", "instructions")
    for task in opened.study.tasks:
        shown = functools.partial(judge.show, task_id=task.task_id)
        pages[f"task-{task.task_id}"] = _page(shown, context, task.title, task.task_id, keeps_revision=True)
    pages["progress"] = _page(progress.show, context, "My progress", "progress")
    pages["answers"] = _page(answers.show, context, "My answers", "answers")
    return list(pages.values())


def _page(
    screen: Callable[[Context], None], context: Context, title: str, name: str, *, keeps_revision: bool = False
) -> StreamlitPage:
    def show() -> None:
        if not keeps_revision:
            state.revise(None)  # whoever looks elsewhere has left the revision
        screen(context)

    return st.Page(show, title=title, url_path=f"{name}-{context.study_id.rpartition('-')[2]}")


main()
