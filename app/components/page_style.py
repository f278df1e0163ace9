"""The few rules that give the pictures the whole page."""

import streamlit as st

_CSS = """
<style>
.stMainBlockContainer { padding: 3.6rem 1.2rem 0.4rem; max-width: none; }
.stAppHeader { height: 3.2rem; }
.stMarkdown { max-width: 46rem; }
</style>
"""


def apply() -> None:
    """Write the rules into the page."""
    st.html(_CSS)
