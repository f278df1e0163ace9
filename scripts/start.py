"""From the published tables and a folder of images to an open app, in one command; a second run takes seconds.

bash scripts/start.sh --tables FOLDER --images acevedo FOLDER [--file-lists acevedo FILE]
"""

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import _root
from _cli import run
from _start import ATLASES, WHAT_IT_NEEDS, atlas_of_release, is_free, sign_in_of, study_of


@dataclass(frozen=True)
class Config:
    """What to open."""

    tables: Path | None = None
    """Folder of the published tables: one folder a data set."""
    images: Mapping[str, Path] = field(default_factory=dict)
    """Image folder of each data set whose pictures are shown: acevedo FOLDER bmc FOLDER."""
    file_lists: Mapping[str, Path] = field(default_factory=dict)
    """File list of each data set whose images are not all on disk: acevedo FILE."""
    dataset: str = "mll23"
    """Data set whose statistics choose the 50 latents."""
    port: int = 8501
    """Port of the app on this machine."""


def main(config: Config) -> None:
    """Make what is missing, say how to sign in, and become the app's server."""
    if config.tables is None or not config.images:
        sys.exit(WHAT_IT_NEEDS)
    if not is_free(config.port):
        sys.exit(f"error: port {config.port} is in use, perhaps by this app already; choose another one with --port")
    atlas = atlas_of_release(config.tables, config.images, config.file_lists)
    study_id = study_of(atlas, config.dataset)
    rater_code, access_code = sign_in_of(study_id)
    print(f"atlas   {ATLASES / atlas.path.name}\nstudy   {study_id}")
    print(f"\n    open          http://localhost:{config.port}\n    rater code    {rater_code}")
    print(f"    access code   {access_code}\n\nCtrl-C stops the app. Research use only.", flush=True)
    server = [sys.executable, "-m", "streamlit", "run", "app/server.py", "--server.port", str(config.port)]
    os.chdir(_root.ROOT)
    os.execv(sys.executable, server)


if __name__ == "__main__":
    run(main, Config)
