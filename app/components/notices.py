"""What must be said wherever results or cells are shown."""

import streamlit as st

from cytosae_core.annotation.protocol import RESEARCH_USE_ONLY

SIMULATED = "SIMULATED: cells and patients were drawn by a program."


def show(*, simulated: bool) -> None:
    """Research use only; and SIMULATED where no real cell is involved."""
    if simulated:
        st.warning(SIMULATED)
    st.caption(RESEARCH_USE_ONLY)
