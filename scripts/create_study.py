"""Make a study from an atlas, write it to disk and register it in the annotation database."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro
from _cli import run
from _database import open_database
from _publish import publish_study
from _root import ROOT

from cytosae_core.atlas.atlas import LatentAtlas
from cytosae_core.judging.repository import Repository
from cytosae_core.study.builder import StudyConfig, build_study
from cytosae_core.study.protocol import Study


@dataclass(frozen=True)
class Config:
    """Which atlas, and what to ask about it."""

    atlas: Path
    """Folder of the atlas."""
    study: Annotated[StudyConfig, tyro.conf.arg(name="")]
    out: Path = ROOT / "artifacts" / "studies"
    """Folder in which the study gets a folder of its own."""
    database: str = ""
    """Database file or URL; CYTOSAE_DATABASE, else annotations.db at the top, by default."""


def main(config: Config) -> None:
    """Build, write, register, and say what was made."""
    study = build_study(LatentAtlas.open(config.atlas), config.study)
    repository = Repository(open_database(config.database, may_create=True))
    show(study, publish_study(study, repository, config.atlas, config.out))


def show(study: Study, path: Path) -> None:
    """Print what was made: tasks, clusters, top-ups, and what is not shown."""
    print(f"{study.study_id}{' (SIMULATED)' if study.simulated else ''}\n{path}")
    for task in study.tasks:
        roles = [item.role for item in study.items_of(task.task_id)]
        print(f"  {task.title}: " + ", ".join(f"{roles.count(role)} {role}" for role in dict.fromkeys(roles)))
    print("  cluster  latents  eligible  sampled")
    for one in study.strata:
        print(f"  {one.stratum:7}  {one.n_latents:7}  {one.n_eligible:8}  {one.n_drawn:7}")
    record = study.sampling["concept"]
    left_out = [f"{name} is not shown: {why}" for name, why in record["datasets_left_out"].items()]
    print("\n".join(f"  {line}" for line in [*record["top_ups"], *left_out]))
    if without := study.sampling.get("disease", {}).get("left_out_without_pictures"):
        print(f"  {len(without)} differential latents without a picture are left out: {without}")


if __name__ == "__main__":
    run(main, Config)
