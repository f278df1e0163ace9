"""What `--help` of scripts says, as JSON: {script: [status, what it printed]}.

Each script runs in a forked process of its own, as `__main__`, with its own folder first on the path. The forks share
the slow libraries, and nothing of the project: what a script forgets to import is missing here as on the command line.
"""

import json
import os
import runpy
import sys
import tempfile
import warnings
from pathlib import Path

import alembic.command
import pandas
import plotly.graph_objects
import pyarrow.parquet
import scipy.stats
import sklearn.linear_model
import sqlalchemy.orm
import timm
import torch
import torchvision
import tyro

SHARED = (alembic, pandas, plotly, pyarrow, scipy, sklearn, sqlalchemy, timm, torch, torchvision, tyro)
SCRIPTS = Path(__file__).resolve().parents[1] / "scripts"


def told_by(name: str) -> tuple[int, str]:
    """Exit status, and standard output and error together."""
    with tempfile.TemporaryFile() as told:
        child = os.fork()
        if child == 0:
            os.dup2(told.fileno(), 1)
            os.dup2(told.fileno(), 2)
            explain(SCRIPTS / f"{name}.py")
        _, status = os.waitpid(child, 0)
        told.seek(0)
        return status, told.read().decode()


def explain(script: Path) -> None:
    """Be `python script --help`; never comes back."""
    sys.path[0] = str(script.parent)
    sys.argv = [str(script), "--help"]
    status: object = 1
    try:
        runpy.run_path(str(script), run_name="__main__")
        status = 0
    except SystemExit as end:
        status = end.code
        if isinstance(status, str):
            print(status, file=sys.stderr)
    except BaseException:  # noqa: BLE001 - whatever it is, it is told
        sys.excepthook(*sys.exc_info())
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status if isinstance(status, int) else status is not None)


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    print(json.dumps({name: told_by(name) for name in sys.argv[1:]}))
