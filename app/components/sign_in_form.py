"""Sign-in and sign-out: the browser talks to `app.api`, and the session lives in a cookie no script can read."""

import streamlit as st

from app.components.browser_code import script, style

_sign_in = st.components.v2.component("sign_in", css=style("sign_in.css"), js=script("sign_in.js"))
_sign_out = st.components.v2.component("sign_out", js=script("sign_out.js"))


def show() -> None:
    """The two fields; a successful sign-in reloads the page."""
    _sign_in(key="sign-in")


def show_sign_out() -> None:
    """End the session and go back to the sign-in page."""
    _sign_out(key="sign-out")
