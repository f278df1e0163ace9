"""What a screen needs to know: who is signed in, which study, and where the other screens are."""

from collections.abc import Mapping
from dataclasses import dataclass

from streamlit.navigation.page import StreamlitPage

from app.resources import OpenStudy
from cytosae_core.judging.repository import Session


@dataclass(frozen=True)
class Context:
    """The signed-in rater and the open study."""

    session: Session
    opened: OpenStudy
    pages: Mapping[str, StreamlitPage]
    """Screens by name: `instructions`, `progress`, `answers`, and one `task-<id>` for each task."""

    @property
    def study_id(self) -> str:
        """Id of the open study."""
        return self.opened.study.study_id
