"""What bench_app.py compares with: the plain way to write a labelling screen, one script rerun at each save."""

import os

import streamlit as st

from app.resources import open_study, repository

study_id = os.environ["BENCH_STUDY"]


@st.cache_resource
def rater_id() -> str:
    """The rater; the plain app signs in by itself."""
    return repository().sessions.sign_in(os.environ["BENCH_RATER"], os.environ["BENCH_ACCESS_CODE"]).rater_id


def save() -> None:
    """Store the judgement of the item on the screen."""
    answers = {"meaningful": "no", "confidence": "3"}
    repository().judgements.submit(rater_id(), st.session_state.nonce, answers)


st.set_page_config(layout="wide")
opened = open_study(study_id)
turn = repository().desk.current(rater_id(), study_id, "concept")
if turn is not None:
    item = opened.items[turn.item_id]
    shown = repository().desk.present(rater_id(), study_id, item.item_id, turn.stage_id, item.pictures_digest, "bench")
    st.session_state.nonce = shown.nonce
    st.button("Save", on_click=save, shortcut="Ctrl+S")
    st.html(f"<span class=shown>{item.item_id}</span>")
    columns = st.columns(5)
    for number, picture in enumerate(item.pictures):
        if picture.sha256:
            columns[number % 5].image(str(opened.atlas.picture_path(picture.sha256)))
