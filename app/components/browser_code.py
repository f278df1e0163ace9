"""The browser's side of components: files of this folder's `assets`, joined into the one module Streamlit takes."""

from pathlib import Path

ASSETS = Path(__file__).parent / "assets"


def script(*names: str) -> str:
    """One JavaScript module from several asset files, in order; `client.js` always comes first."""
    return "\n".join((ASSETS / name).read_text(encoding="utf-8") for name in ("client.js", *names))


def style(name: str) -> str:
    """The text of one CSS asset."""
    return (ASSETS / name).read_text(encoding="utf-8")
