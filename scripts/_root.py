"""Importing this puts the repository on the path, so that a script runs from any folder without installing."""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))
