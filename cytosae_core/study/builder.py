"""Making a study from an atlas: latents sampled, pictures fixed, everything recorded, sealed."""

import re
from collections.abc import Callable
from datetime import UTC, datetime

from cytosae_core.atlas.atlas import LatentAtlas
from cytosae_core.study.config import StudyConfig
from cytosae_core.study.files import read_study, write_study
from cytosae_core.study.names import item_ids, new_salt
from cytosae_core.study.parts import concept_part, disease_part
from cytosae_core.study.protocol import Study, seal
from cytosae_core.study.tasks import concept_task, disease_task

__all__ = ["StudyConfig", "build_study", "read_study", "write_study"]


def build_study(
    atlas: LatentAtlas,
    config: StudyConfig,
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
    salt: Callable[[], str] = new_salt,
) -> Study:
    """The sealed study of this atlas: the same atlas, configuration, time and salt give the same study.

    Latents, pictures and blocks follow from the seed. Item ids, names of pictures and raters' orders follow from the
    salt, which is random and secret, so that nobody can compute them from what is public.

    Raises StudyError when the atlas lacks the pictures or barcodes that the tasks need, AnalysisError when there are
    too few latents to sample from, ArtifactError when the atlas has no such data set.
    """
    created_at = now().astimezone(UTC).isoformat(timespec="seconds")
    secret = salt()
    ids = item_ids(secret)
    concept, strata, sampling = concept_part(atlas, config, ids)
    items, tasks = concept, [concept_task()]
    if config.groups is not None:
        disease, sampling["disease"] = disease_part(atlas, config, config.groups, ids)
        items, tasks = [*items, *disease], [*tasks, disease_task(*config.groups)]
    shown = {picture.dataset for item in items for picture in item.pictures}
    study = Study(
        study_id="",
        title=config.title.strip(),
        seed=config.seed,
        created_at=created_at,
        atlas_id=atlas.atlas_id,
        sae_id=atlas.sae_id,
        simulated=atlas.simulated,
        datasets=tuple(info.name for info in atlas.datasets if info.name in shown),
        tasks=tuple(tasks),
        items=tuple(items),
        strata=strata,
        sampling=sampling,
        um_per_px={info.name: info.um_per_px for info in atlas.datasets if info.name in shown and info.um_per_px},
        salt=secret,
    )
    return seal(study, _slug(study))


def _slug(study: Study) -> str:
    """The title as a part of a file name; says when the study is simulated."""
    words = re.findall(r"[a-z0-9]+", study.title.lower())
    name = "-".join(words)[:40].strip("-") or "study"
    return f"{name}-SIMULATED" if study.simulated else name
