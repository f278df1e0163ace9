"""The first screen: who are you?"""

import streamlit as st

from app.components import notices, sign_in_form
from app.resources import repository


def show() -> None:
    """Rater code and access code; or what to do when there is no study yet."""
    with st.columns([1, 1.2, 1])[1]:
        _show()


def _show() -> None:
    st.title("CytoSAE workbench")
    if not repository().studies.all():
        st.info(
            "There is no study in this database yet. The coordinator makes one with "
            "`scripts/create_study.py` and adds raters with `scripts/add_rater.py`; the README says how."
        )
        return
    st.write("Blood cells, sparse autoencoders, and what cytomorphologists make of them.")
    st.write("Sign in with the two codes that your study coordinator gave you.")
    sign_in_form.show()
    notices.show_research_use()
