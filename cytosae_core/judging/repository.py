"""The one object through which studies, raters and judgements are read and written."""

from cytosae_core.judging.drafts import Drafts
from cytosae_core.judging.raters import Raters
from cytosae_core.judging.records import Judged, Presentation, Progress, Receipt, Screen, Session, StudySummary, Turn
from cytosae_core.judging.results import Results
from cytosae_core.judging.sign_in import SignIn
from cytosae_core.judging.store import Clock, utcnow
from cytosae_core.judging.studies import Studies
from cytosae_core.judging.submit import Submit
from cytosae_core.judging.turns import Turns

__all__ = [
    "Clock",
    "Judged",
    "Presentation",
    "Progress",
    "Receipt",
    "Repository",
    "Screen",
    "Session",
    "StudySummary",
    "Turn",
    "utcnow",
]


class Repository(Studies, Raters, SignIn, Turns, Submit, Drafts, Results):
    """Every query of the annotation database, named in the words of the domain.

    Made from an engine of `database.open_engine`; safe to share between threads. Each method is one transaction (a
    saving method reads back what it stored in a second one). Raises AnnotationError and its kinds, and StudyError.
    """
