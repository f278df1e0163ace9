"""Extractions in processes of their own, to be killed, multiplied and weighed; started by the tests as scripts.

python -m tests.tokens.runs extract  <image folder> <output> <blocks> ...   one run, also under torchrun
python -m tests.tokens.runs kill     <image folder> <output folder> <n> <seed>
python -m tests.tokens.runs weigh    <csv|root> <output> <folder of images> ...
"""

import json
import os
import random
import runpy
import signal
import sys
import time
from pathlib import Path

from timm.models import register_model
from timm.models.vision_transformer import vit_small_patch14_dinov2

from cytosae_core.backbone.team import torchrun_team
from cytosae_core.backbone.vit import random_backbone
from cytosae_core.images.sources import folder_source
from cytosae_core.images.table import scan
from cytosae_core.tokens.extract import extract
from cytosae_core.tokens.plan import ExtractConfig
from tests.conftest import REPOSITORY

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


def slow_run(root, output, is_held=False):
    """A run that takes its time, so that a kill has something to hit; a held one waits for it after its last batch."""
    table, backbone = scan(folder_source("toy"), Path(root)), random_backbone("dinobloom-s", 0, **TOY)

    def progress(n_done, n_all):
        time.sleep(0.02)
        if is_held and n_done == n_all:
            signal.pause()

    extract(backbone, table, output, CONFIG, progress=progress)


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
    """Kill n runs at random moments, every second one surely before its end, and finish each; prints what was left."""
    rng, folder = random.Random(seed), Path(output)
    status, seconds = in_child(lambda: slow_run(root, folder / "whole"))
    left = []
    for index in range(int(n_kills)):
        path = folder / f"killed_{index}"
        is_held = index % 2 == 0
        in_child(lambda path=path, is_held=is_held: slow_run(root, path, is_held), delay=rng.uniform(0, seconds))
        left.append(
            {"published": path.exists(), "records": len(list((folder / f".{path.name}.partial").glob("shard*")))}
        )
        again, _ = in_child(lambda path=path: slow_run(root, path))
        status |= again
    print(json.dumps({"status": status, "left": left}))


@register_model
def vit_featherweight(pretrained=False, **arguments):
    """The smallest thing that timm takes for a vision transformer: 2 tokens of width 8."""
    return vit_small_patch14_dinov2(**arguments, img_size=14, embed_dim=8, depth=1, num_heads=1)


def weigh(kind, output, *folders):
    """Peak memory in MB of the extraction script for each folder, listed by `list.csv` in it or scanned; as JSON."""
    for index, folder in enumerate(folders):
        images = {"csv": ["--csv", f"{folder}/list.csv"], "root": ["--root", folder]}[kind]
        status, _ = in_child(lambda images=images, index=index: weighed_script(images, f"{output}/{index}"))
        print(json.dumps({"status": status, **json.loads(Path(f"{output}/{index}.json").read_text())}))


def weighed_script(images, output):
    """Run the script as the command line does; a forked process begins with a peak of its own."""
    sys.path.insert(0, str(REPOSITORY / "scripts"))
    model = ["--backbone", "vit_featherweight", "--random-seed", "0", "--blocks", "1", "--device", "cpu"]
    sizes = ["--batch-size", "128", "--shard-images", "1024", "--runtime", "torch", "--n-workers", "2"]
    sys.argv = ["extract_tokens.py", *images, "--output", output, *model, *sizes]
    runpy.run_path(str(REPOSITORY / "scripts" / "extract_tokens.py"), run_name="__main__")
    # VmHWM and not ru_maxrss: the latter begins with the size of the process that started this one
    status = Path("/proc/self/status").read_text()
    peak = next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM"))
    Path(f"{output}.json").write_text(json.dumps({"peak_mb": peak / 1024}))


if __name__ == "__main__":
    {"extract": one_run, "kill": kill_runs, "weigh": weigh}[sys.argv[1]](*sys.argv[2:])
