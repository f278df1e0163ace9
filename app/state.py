"""A typed view of the session state. Everything that matters is in the database; this is where a rater looks."""

from typing import cast

import streamlit as st

_STUDY = "study_id"
_REVISING = "revising"


def chosen_study() -> str | None:
    """The study picked by a rater who takes part in several."""
    return cast(str | None, st.session_state.get(_STUDY))


def choose_study(study_id: str) -> None:
    """Remember the picked study."""
    st.session_state[_STUDY] = study_id


def revising() -> dict[str, str] | None:
    """The judgement that is being revised: task, item, stage."""
    return cast(dict[str, str] | None, st.session_state.get(_REVISING))


def revise(reference: dict[str, str] | None) -> None:
    """Open one judgement for revision, or close it with None."""
    st.session_state[_REVISING] = reference
