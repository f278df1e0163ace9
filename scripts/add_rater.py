"""Let a rater take part in a study; prints a new rater's access code, once."""

from dataclasses import dataclass

from _cli import run
from _database import open_database

from cytosae_core.judging.raters import new_access_code
from cytosae_core.judging.repository import Repository


@dataclass(frozen=True)
class Config:
    """Who, and in which study."""

    study: str
    """Id of the study, as create_study.py printed it."""
    code: str
    """Rater code, which exports carry in place of the name, such as R01."""
    role: str = ""
    """What the rater is, for the report: haematologist, resident, technician."""
    years: float | None = None
    """Years of experience with blood or marrow smears, for the report."""
    name: str = ""
    """Name; exported only on request, and best left out."""
    new_code: bool = False
    """Give a rater who exists a new access code (the old one was lost); signs the rater out everywhere."""
    database: str = ""
    """Database file or URL; CYTOSAE_DATABASE, else annotations.db at the top, by default."""


def main(config: Config) -> None:
    """Add the rater, and print the access code if there is a new one."""
    access_code = Repository(open_database(config.database)).raters.add(
        config.code,
        config.study,
        access_code=new_access_code() if config.new_code else None,
        role=config.role,
        years=config.years,
        name=config.name,
    )
    print(f"{config.code} takes part in {config.study}.")
    if access_code:
        print(f"\n    rater code    {config.code}\n    access code   {access_code}\n")
        print("The access code is not stored and is never shown again: hand it over now.")
    else:
        print("The access code stays as it was; --new-code makes a new one.")


if __name__ == "__main__":
    run(main, Config)
