"""A rater's own answers with a button to revise each."""

from dataclasses import asdict, dataclass
from typing import Any

import streamlit as st

from app.components.browser_code import script, style

_answers = st.components.v2.component("answer_list", css=style("answer_list.css"), js=script("answer_list.js"))


@dataclass(frozen=True)
class AnswerCard:
    """One saved judgement as the rater sees it."""

    title: str
    summary: str
    saved_at: str
    """UTC, ISO 8601; the browser shows it in local time."""
    note: str
    pictures: list[str]
    """Addresses of a few pictures."""
    can_revise: bool
    reference: dict[str, str]
    """Comes back when the rater wants to revise: task, item, stage."""


def show(cards: list[AnswerCard]) -> dict[str, str] | None:
    """The list; returns the reference of the card whose button was pressed in this run."""
    result = _answers(data={"entries": [asdict(card) for card in cards]}, key="answers", on_revise_change=_nothing)
    chosen: Any = result.revise
    return dict(chosen) if chosen else None


def _nothing() -> None:
    """Streamlit reruns the script by itself; naming a callback declares the event."""
