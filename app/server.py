"""What `streamlit run app/server.py` serves: the screens of `main.py`, and the routes of `app.api` beside them."""

from pathlib import Path

import streamlit as st

from app import log, resources
from app.api import routes

log.start(resources.log_target())
app = st.App(Path(__file__).with_name("main.py"), routes=routes())
