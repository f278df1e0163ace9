"""Tiny image files in any layout."""

from pathlib import Path

from PIL import Image


def write_image(path: Path, colour=(200, 120, 180), size=(6, 5)) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, colour).save(path)
    return path


def write_tree(root: Path, *names: str) -> Path:
    for name in names:
        write_image(root / name)
    return root
