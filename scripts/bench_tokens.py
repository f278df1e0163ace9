"""Measure how fast images become tokens, against the bare forward pass of the same model in the same run."""

import platform
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import torch
from _cli import bar, run
from _root import ROOT

from cytosae_core.backbone.choose import BackboneChoice, choose_backbone
from cytosae_core.bench.tokens import TokensBenchConfig, bench
from cytosae_core.images.select import list_images


@dataclass(frozen=True)
class Config(TokensBenchConfig, BackboneChoice):
    """What to measure on which images."""

    dataset: str = "acevedo"
    """Published data set, or any name for images of your own."""
    root: Path = ROOT.parent / "shared" / "data" / "acevedo"
    """Folder of the images; JPEG files are measured as TIFF copies too."""
    random_seed: int | None = 0
    """Seed of random weights: they are as fast as real ones; None takes `weights`."""


def main(config: Config) -> None:
    """Print the machine, the table and the bottleneck."""
    backbone = choose_backbone(config)
    where = torch.cuda.get_device_name() if backbone.device.type == "cuda" else platform.processor() or "CPU"
    print(f"{config.backbone}, block {config.block}, batches of {config.batch_size}, {config.n_rounds} rounds")
    print(f"{where}, {torch.get_num_threads()} threads, torch {torch.__version__}")
    if not torch.cuda.is_available():
        print("No GPU on this machine: the figures are the CPU's.")
    if find_spec("openvino") is None:
        print("OpenVINO is not installed (pip install openvino): its rows are missing.")
    table = bench(backbone, list_images(config.dataset, config.root), config, bar("rounds"))
    print(table.round({"images_per_s": 2, "share": 3, "images_per_cpu_s": 2, "cpu_share": 3}).to_string())
    stages = table.loc[
        [name for name in table.index if name.endswith("alone") or name == table.index[0]], "images_per_s"
    ]
    print(f"Bottleneck: {stages.idxmin()} at {stages.min():.1f} images/s; next {stages.drop(stages.idxmin()).idxmin()}")


if __name__ == "__main__":
    run(main, Config)
