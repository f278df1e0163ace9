"""The rater's own answers, to look through and to revise."""

import streamlit as st

from app import state
from app.components import answer_list, notices
from app.components.answer_list import AnswerCard
from app.resources import repository
from app.screens.context import Context
from cytosae_core.judging.repository import Judged
from cytosae_core.study.protocol import Question

N_THUMBNAILS = 4


def show(context: Context) -> None:
    """All judgements, newest first; the button opens one for revision. Earlier versions are kept."""
    st.title("My answers")
    notices.show_simulated(context.opened.study.simulated)
    judged = repository().results.my_judgements(context.session.rater_id, context.study_id)
    if not judged:
        st.write("Nothing was saved yet.")
    newest_first = sorted(judged, key=lambda one: one.submitted_at, reverse=True)
    chosen = answer_list.show([_card(context, one) for one in newest_first])
    notices.show_research_use()
    if chosen:
        state.revise(chosen)
        st.switch_page(context.pages[f"task-{chosen['task']}"])


def _card(context: Context, judged: Judged) -> AnswerCard:
    task = context.opened.study.task(judged.task_id)
    stage = task.stage(judged.stage_id)
    order = repository().desk.order(context.session.rater_id, context.study_id, judged.task_id)
    pictures = context.opened.pictures.names(judged.item_id)
    return AnswerCard(
        title=f"{task.title} {order.index(judged.item_id) + 1}" + (f" · {stage.title}" if len(task.stages) > 1 else ""),
        summary=_summary(stage.questions, judged),
        saved_at=judged.submitted_at.isoformat(),
        note=_note(judged.revision - 1),
        pictures=[f"cells/{context.study_id}/{picture}" for picture in pictures[:N_THUMBNAILS]],
        can_revise=stage is task.stages[-1],
        reference={"task": judged.task_id, "item": judged.item_id, "stage": judged.stage_id},
    )


def _note(n_revisions: int) -> str:
    times = {0: "", 1: " · revised once", 2: " · revised twice"}
    return times.get(n_revisions, f" · revised {n_revisions} times")


def _summary(questions: tuple[Question, ...], judged: Judged) -> str:
    labels = (_label(question, judged.answers.get(question.question_id)) for question in questions)
    return " · ".join(label for label in labels if label)


def _label(question: Question, answer: str | list[str] | None) -> str:
    if question.kind == "text":
        return str(answer or "")
    chosen = [answer] if isinstance(answer, str) else answer or []
    return ", ".join(option.label for option in question.options if option.value in chosen)
