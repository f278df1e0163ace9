"""What whoever hosts the app can see of it: sign-ins, refusals, slow requests and failures. Silent unless asked.

Neither answers nor codes nor names ever come into a log. A rater is the opaque id of the database, which nobody signs
in with. A refusal is told by its kind: its sentence may quote what was typed. So may the text of an unexpected error,
which is told by its kind and the lines of code that it passed.
"""

import logging
import sys
import time
import traceback
from logging.handlers import WatchedFileHandler
from pathlib import Path

from cytosae_core.errors import ChecksumError, ConfigError, CytosaeError, DatabaseError

LOGGERS = ("app", "cytosae_core")
SLOW_S = 1.0
"""A request that takes longer than this is told, in seconds."""
_N_FRAMES = 6

_logger = logging.getLogger(__name__)


def start(target: str) -> logging.Handler | None:
    """Write the log to `target`, "stderr" or the path of a file that grows; nothing, where it is empty.

    A file can be read by its owner only, and is opened anew when it was moved away (log rotation). Returns the handler
    that was attached. Raises ConfigError when the file cannot be written.
    """
    if not target:
        return None
    handler = logging.StreamHandler(sys.stderr) if target == "stderr" else _file(Path(target))
    formatter = logging.Formatter("%(asctime)sZ %(levelname)s %(name)s %(message)s", datefmt="%Y-%m-%dT%H:%M:%S")
    formatter.converter = time.gmtime
    handler.setFormatter(formatter)
    for name in LOGGERS:
        logging.getLogger(name).addHandler(handler)
        logging.getLogger(name).setLevel(logging.INFO)
    return handler


def refused(what: str, rater_id: str, error: CytosaeError, status: int) -> None:
    """A request came to nothing, and the browser was told why.

    Errors of the database and of pictures, which are for the host to mend and quote nobody, are told in full.
    """
    is_failure = isinstance(error, DatabaseError | ChecksumError)
    reason = f": {str(error).splitlines()[0]}" if is_failure else ""
    level = logging.ERROR if is_failure else logging.WARNING
    _logger.log(level, "%s %d %s, rater %s%s", what, status, type(error).__name__, rater_id, reason)


def failed(what: str, rater_id: str, error: Exception) -> None:
    """A request ended in an error that nobody foresaw."""
    frames = traceback.extract_tb(error.__traceback__)[-_N_FRAMES:]
    way = " > ".join(f"{Path(frame.filename).name}:{frame.lineno} {frame.name}" for frame in frames)
    _logger.error("%s failed with %s, rater %s, at %s", what, type(error).__name__, rater_id, way)


def took(what: str, rater_id: str, seconds: float) -> None:
    """A request is done; told when it was slow."""
    if seconds > SLOW_S:
        _logger.warning("%s was slow, %.2f s, rater %s", what, seconds, rater_id)


def _file(path: Path) -> logging.Handler:
    try:
        path.touch(mode=0o600)
        return WatchedFileHandler(path, encoding="utf-8")
    except OSError as error:
        raise ConfigError(
            f"the log {str(path)!r} cannot be written ({error.strerror}); let CYTOSAE_LOG name a file in a folder that "
            "is there, or stderr"
        ) from error
