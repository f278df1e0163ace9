"""From what a user names (a model, a checkpoint, a seed) to the backbone of this process."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from cytosae_core.backbone.download import Origin, Weights, fetch_weights
from cytosae_core.backbone.team import Team
from cytosae_core.backbone.vit import DINOBLOOM, Backbone, best_device, load_backbone, random_backbone
from cytosae_core.progress import Progress, no_progress

_ALONE = Team()


@dataclass(frozen=True)
class BackboneChoice:
    """Which backbone, and where its weights come from."""

    backbone: str = "dinobloom-b"
    """dinobloom-s, -b, -l, -g, cytosae-small (shipped), or a vision transformer by its name in timm."""
    weights: Path | None = None
    """Checkpoint on this machine; without it, DinoBloom and timm's models are downloaded by name."""
    weights_folder: Path = Path("artifacts/weights")
    """Where downloaded DinoBloom weights, and their checksums, are kept."""
    origin: Origin = "hub"
    """Where DinoBloom's weights are downloaded from."""
    random_seed: int | None = None
    """Random weights of this seed instead of a checkpoint: to try the machinery, never for science."""
    device: str = "auto"
    """cuda, cpu, ...; auto: a GPU where there is one."""

    @property
    def is_downloaded(self) -> bool:
        """Whether DinoBloom's weights are fetched by name."""
        return self.weights is None and self.random_seed is None and self.backbone in DINOBLOOM


def choose_backbone(
    choice: BackboneChoice, team: Team = _ALONE, progress: Progress = no_progress,
    notify: Callable[[Weights], object] | None = None,
) -> Backbone:  # fmt: skip
    """The backbone; in a team, the lead downloads for all. `progress` counts bytes of a download.

    `notify` gets the published file that was fetched by name, with whether its checksum could be compared.

    Raises BackboneError or ChecksumError where the weights cannot be had or do not fit.
    """
    device = best_device(team.local_rank) if choice.device == "auto" else choice.device
    if choice.random_seed is not None:
        return random_backbone(choice.backbone, choice.random_seed, device=device)
    return load_backbone(choice.backbone, _weights(choice, team, progress, notify), device=device)


def _weights(
    choice: BackboneChoice, team: Team, progress: Progress, notify: Callable[[Weights], object] | None
) -> Path | None:
    if not choice.is_downloaded:
        return choice.weights
    for is_my_turn in (team.is_lead, not team.is_lead):
        if is_my_turn:
            found = fetch_weights(choice.backbone, choice.weights_folder, choice.origin, progress=progress)
        team.wait()
    if notify is not None:
        notify(found)
    return found.path
