"""Where the repository lies, for what scripts keep at its top: the database, artifacts, the app."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
