"""What `streamlit run app/server.py` serves: the screens of `main.py`, and the routes of `app.api` beside them."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # Streamlit puts app/ on the path, not the repository

import streamlit as st

from app.api import routes

app = st.App(Path(__file__).with_name("main.py"), routes=routes())
