"""What must be said wherever results or cells are shown."""

import streamlit as st

from cytosae_core.artifacts.tables import RESEARCH_USE_ONLY, SIMULATED

SIMULATED_CELLS = f"{SIMULATED}: cells and patients were rendered by a program."


def show_simulated(is_simulated: bool) -> None:
    """SIMULATED where no real cell is involved; below the title, where it cannot be overlooked."""
    if is_simulated:
        st.warning(SIMULATED_CELLS)


def show_research_use() -> None:
    """Research use only; at the end of a screen."""
    st.caption(RESEARCH_USE_ONLY)
