"""What a study asks about, as a coordinator chooses it."""

from dataclasses import dataclass

from cytosae_core.errors import ConfigError
from cytosae_core.method import LOG10_THRESHOLD, N_CLUSTERS, N_DIFFERENTIAL, N_PER_CLUSTER
from cytosae_core.patients.differential import Ranking


@dataclass(frozen=True)
class StudyConfig:
    """What a study asks about; the defaults are the paper's."""

    title: str
    """What raters read when they choose a study."""
    dataset: str
    """Data set whose statistics choose the latents of the concept task."""
    seed: int = 0
    """Of every random choice: clusters, sample, blocks, controls, and the raters' orders."""
    log10_threshold: float = LOG10_THRESHOLD
    """Latents with a log10 mean activation above this are of interest."""
    n_clusters: int = N_CLUSTERS
    """Clusters (strata) of the latents of interest."""
    n_per_cluster: int = N_PER_CLUSTER
    """Latents sampled from each cluster."""
    min_pictures: int = 5
    """Reference images that must be on disk, over all data sets shown, for a latent to be sampled."""
    groups: tuple[str, str] | None = None
    """Two diagnoses of the barcodes: adds the disease task."""
    n_differential: int = N_DIFFERENTIAL
    """Differential latents of each direction."""
    ranking: Ranking = "corrected"
    """`released`: the authors' ranking, which divides by the width of the SAE instead of the number of images."""
    n_repeats: int = 0
    """Hidden repeats in the concept task."""
    n_disease_repeats: int = 0
    """Hidden repeats in the disease task."""
    n_decoys: int = 0
    """Items of the concept task whose pictures come from several latents."""

    def __post_init__(self) -> None:
        if not self.title.strip():
            raise ConfigError("a study needs a title; raters see it when they sign in")
        for name in ("n_repeats", "n_disease_repeats", "n_decoys"):
            if getattr(self, name) < 0:
                raise ConfigError(f"{name} is {getattr(self, name)}; it must be 0 or more")
        if self.n_disease_repeats and self.groups is None:
            raise ConfigError("n_disease_repeats needs the disease task; name two groups")
