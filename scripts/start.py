"""To the open app in one command: of rendered cells, your own, the published tables, or a finished atlas.

bash scripts/start.sh                                        a demo of rendered cells, SIMULATED
bash scripts/start.sh --images FOLDER                        your own cells
bash scripts/start.sh --tables FOLDER --images acevedo FOLDER
bash scripts/start.sh --labelling-only [--atlas FOLDER]      without torch
"""

import os
import sys
import time

from _cli import run
from _root import ROOT
from _start import atlas_of_release, refuse_busy_port, say_studies, sign_in_of, study_of
from _start_options import StartOptions

from cytosae_core.atlas.atlas import LatentAtlas
from cytosae_core.study.config import StudyConfig


def main(options: StartOptions) -> None:
    """Make what is missing, say how to sign in, and become the app's server."""
    start = time.monotonic()
    refuse_busy_port(options.port)
    if options.labelling_only and options.atlas is None:
        say_studies()
        print(f"\n    open          http://localhost:{options.port}")
    else:
        study_id = study_of(*atlas_for(options))
        rater_code, access_code = sign_in_of(study_id)
        print(f"study       {study_id}\nready in {time.monotonic() - start:.0f} s")
        print(f"\n    open          http://localhost:{options.port}\n    rater code    {rater_code}")
        print(f"    access code   {access_code}")
    print("\nCtrl-C stops the app. Research use only.", flush=True)
    os.chdir(ROOT)
    server = [sys.executable, "-m", "streamlit", "run", "app/server.py", "--server.port", str(options.port)]
    os.execv(sys.executable, server)


def atlas_for(options: StartOptions) -> tuple[LatentAtlas, StudyConfig]:
    """The atlas that is asked for, and the study to make of it."""
    if options.atlas is not None:
        from _start import study_of_atlas

        return study_of_atlas(options.atlas, options.dataset)
    if options.tables is not None:
        from _pipeline import pairs

        atlas = atlas_of_release(options.tables, pairs(options.images), options.file_lists)
        return atlas, StudyConfig(title="Concepts of the published CytoSAE", dataset=options.dataset)
    from _pipeline import atlas_of_demo, atlas_of_images

    return atlas_of_images(options.images, options.csv, options.groups) if options.images else atlas_of_demo()


if __name__ == "__main__":
    run(main, StartOptions)
