"""The one object through which studies, raters and judgements are read and written."""

from argon2 import PasswordHasher
from sqlalchemy import Engine

from cytosae_core.judging.attempts import Attempts
from cytosae_core.judging.desk import Desk
from cytosae_core.judging.drafts import Drafts
from cytosae_core.judging.judgements import Judgements
from cytosae_core.judging.raters import Raters
from cytosae_core.judging.records import Judged, Presentation, Progress, Receipt, Screen, Session, StudySummary, Turn
from cytosae_core.judging.results import Results
from cytosae_core.judging.sessions import Sessions
from cytosae_core.judging.store import Clock, Store, utcnow
from cytosae_core.judging.studies import Studies

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


class Repository:
    """The annotation database in the words of the domain: one part for each job, all on one store.

    Safe to share between threads. Each method of a part is one transaction (one that saves reads back what it stored
    in a second one). Parts raise AnnotationError and its kinds, and StudyError. A test may put another object in the
    place of a part.
    """

    def __init__(self, engine: Engine, clock: Clock = utcnow, hasher: PasswordHasher | None = None) -> None:
        """`engine` comes from `database.open_engine`.

        `hasher` decides how much work it is to guess an access code; None: argon2's recommended parameters.
        """
        store = Store(engine, clock)
        self.store = store
        """Transactions and the clock."""
        self.studies = Studies(store)
        """Registering studies, and finding them."""
        self.raters = Raters(store, self.studies, hasher)
        """Who takes part in which study."""
        self.sessions = Sessions(store, Attempts(store))
        """Who is signed in."""
        self.judgements = Judgements(store, self.studies)
        """Storing judgements."""
        self.desk = Desk(store, self.studies, self.judgements)
        """Whose turn it is, and what is on a rater's screen."""
        self.drafts = Drafts(store, self.studies)
        """Answers that are not submitted yet."""
        self.results = Results(store, self.studies)
        """What was judged."""
