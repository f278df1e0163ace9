"""Let a rater who failed to sign in too often try again at once."""

from dataclasses import dataclass

from _cli import run
from _database import open_database

from cytosae_core.judging.repository import Repository


@dataclass(frozen=True)
class Config:
    """Whom to unlock."""

    rater: str
    """Code of the rater."""
    database: str = ""
    """Database file or URL; CYTOSAE_DATABASE, else annotations.db at the top, by default."""


def main(config: Config) -> None:
    """Forget the failed attempts of the rater."""
    Repository(open_database(config.database)).raters.unlock(config.rater)
    print(
        f"{config.rater} may try to sign in again. If the access code is lost: add_rater.py --new-code gives a new one."
    )


if __name__ == "__main__":
    run(main, Config)
