"""Extractions in processes of their own, to be killed, multiplied and weighed; started by the tests as scripts.

python -m tests.backbone.runs extract  <image folder> <output> <blocks> ...   one run, also under torchrun
python -m tests.backbone.runs kill     <image folder> <output folder> <n> <seed>
python -m tests.backbone.runs weigh    <csv> <output>
"""

import json
import os
import random
import resource
import signal
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd

from cytosae_core.backbone.extract import extract
from cytosae_core.backbone.plan import ExtractConfig
from cytosae_core.backbone.team import torchrun_team
from cytosae_core.backbone.vit import random_backbone
from cytosae_core.images.sources import folder_source
from cytosae_core.images.table import ImageTable, scan

TOY = {"img_size": 28, "embed_dim": 32, "depth": 4, "num_heads": 2}
CONFIG = ExtractConfig(
    blocks=(2, 4), batch_size=3, shard_images=5, n_workers=2, runtime="torch", max_unreadable_share=0.2
)


def one_run(root, output):
    with torchrun_team() as team:
        extract(
            random_backbone("dinobloom-s", 0, **TOY),
            scan(folder_source("toy"), Path(root)),
            Path(output),
            CONFIG,
            team=team,
        )


def slow_run(root, output):
    """A run that takes its time, so that a kill has something to hit."""
    table, backbone = scan(folder_source("toy"), Path(root)), random_backbone("dinobloom-s", 0, **TOY)
    extract(backbone, table, output, CONFIG, progress=lambda done, total: time.sleep(0.02))


def in_child(work, delay=None):
    """Run `work` in a forked process, kill it after `delay` seconds of work; its exit status and its seconds."""
    begun, tell = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(tell, b"!")
        work()
        os._exit(0)
    os.read(begun, 1)
    start = time.monotonic()
    if delay is not None:
        time.sleep(delay)
        os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    return status, time.monotonic() - start


def kill_runs(root, output, n_kills, seed):
    """Kill n runs at random moments and finish each; prints, as JSON, what every kill left behind."""
    draw, folder = random.Random(seed), Path(output)
    status, seconds = in_child(lambda: slow_run(root, folder / "whole"))
    left = []
    for index in range(int(n_kills)):
        path = folder / f"killed_{index}"
        in_child(lambda path=path: slow_run(root, path), delay=draw.uniform(0, seconds))
        left.append(
            {"published": path.exists(), "records": len(list((folder / f".{path.name}.partial").glob("shard*")))}
        )
        again, _ = in_child(lambda path=path: slow_run(root, path))
        status |= again
    print(json.dumps({"status": status, "left": left}))


def weigh(image, n_images, output):
    """Peak memory in MB of an extraction of one small image, again and again, with the smallest possible model."""
    backbone = random_backbone("dinobloom-s", 0, img_size=14, embed_dim=8, depth=1, num_heads=1)
    config = ExtractConfig(blocks=(1,), batch_size=64, shard_images=512, runtime="torch", n_workers=2)
    store = extract(backbone, repeated(Path(image), int(n_images)), Path(output), config)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"n_images": store.n_images, "peak_mb": peak}))


def repeated(image, n_images):
    """A table of n images that are all one file; its own memory is that of its columns."""
    names = pd.Series([f"cell_{index:06d}.bmp" for index in range(n_images)], dtype="str")
    frame = pd.DataFrame({"image_id": "toy/" + names, "dataset": "toy", "relative_path": names})
    frame["path"] = np.full(n_images, image, dtype=object)
    frame[["label", "patient", "diagnosis"]] = pd.NA
    return ImageTable(frame, (), f"one file {n_images} times")


if __name__ == "__main__":
    {"extract": one_run, "kill": kill_runs, "weigh": weigh}[sys.argv[1]](*sys.argv[2:])
