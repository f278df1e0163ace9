"""A typed view of the session state. Everything that matters is in the database; this is where a rater looks."""

from typing import cast

import streamlit as st

_REVISING = "revising"


def revising() -> dict[str, str] | None:
    """The judgement that is being revised: task, item, stage."""
    return cast(dict[str, str] | None, st.session_state.get(_REVISING))


def revise(reference: dict[str, str] | None) -> None:
    """Open one judgement for revision, or close it with None."""
    st.session_state[_REVISING] = reference
