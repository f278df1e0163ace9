"""How fast tokens become statistics and references, against the released approach on the same tokens in the same run.

The released approach, written down after the authors' code: the SAE's whole forward pass (encoder, decoder, losses) on
a batch, everything kept as in their cache, the mean over tokens, then a top-k over all latents for each batch, merged
with the one so far. `encoder only` is the same without decoder and losses, which the authors do not do.
"""

import multiprocessing
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch
from torch import Tensor

from cytosae_core.atlas.build.activations import ImageActivations
from cytosae_core.atlas.build.encode import SparseEncoder
from cytosae_core.atlas.build.references import TopImages
from cytosae_core.atlas.build.statistics import LatentStatistics
from cytosae_core.atlas.definitions import Definitions
from cytosae_core.errors import ConfigError
from cytosae_core.progress import Progress, no_progress
from cytosae_core.sae.checkpoint import Weights, latents_first

Tokens = npt.NDArray[np.float16]
K = 10
VARIANTS = ("released", "encoder only", "ours")


@dataclass(frozen=True)
class AtlasBenchConfig:
    """What is measured."""

    n_images: int = 16
    """Images in a measurement."""
    batch_size: int = 8
    """Images at once in the released approach."""
    n_rounds: int = 5
    """Times that every variant is measured, in turn."""
    d_in: int = 768
    """Width of a token."""
    d_sae: int = 49_152
    """Latents."""
    n_tokens: int = 257
    """Tokens per image."""
    seed: int = 0
    """Of random tokens and the constructed SAE."""

    def __post_init__(self) -> None:
        """Raise ConfigError for values that cannot work."""
        if min(self.n_images, self.batch_size, self.n_rounds, self.d_in, self.n_tokens - 1) < 1 or self.d_sae < 100:
            raise ConfigError(f"{self}: all must be positive, and d_sae at least 100")


def random_tokens(config: AtlasBenchConfig) -> Tokens:
    """SIMULATED tokens (n_images, n_tokens, d_in): one mean for all, one offset per image, noise."""
    rng = np.random.default_rng(config.seed)
    tokens = rng.standard_normal((config.n_images, config.n_tokens, config.d_in), np.float32)
    tokens += 0.7 * rng.standard_normal((config.n_images, 1, config.d_in), np.float32)
    tokens += 2 * rng.standard_normal(config.d_in, np.float32)
    return tokens.astype(np.float16)


def constructed_sae(config: AtlasBenchConfig, tokens: Tokens) -> dict[str, Tensor]:
    """An SAE that fires like the published one, without training: directions at random, thresholds from the tokens.

    3 % of the latents fire at a tenth of the tokens, and so in nearly all images; 8 % at a thousandth; the others are
    dead, by up to three standard deviations below their largest pre-activation. At 49,152 latents that is an L0 of 150
    and some 2,400 latents per image, where the published tables have 1,850 to 2,830.
    """
    rng = torch.Generator().manual_seed(config.seed)
    directions = torch.randn(config.d_in, config.d_sae, generator=rng) / config.d_in**0.5
    sample = torch.from_numpy(tokens[:8].astype(np.float32)).reshape(-1, config.d_in)
    centre = sample.mean(dim=0)
    rates = torch.zeros(config.d_sae)
    n_often, n_rarely = config.d_sae * 3 // 100, config.d_sae * 8 // 100
    rates[:n_often], rates[n_often : n_often + n_rarely] = 0.1, 0.001
    rates = rates[torch.randperm(config.d_sae, generator=rng)]
    below = 3 * torch.rand(config.d_sae, generator=rng) * (rates == 0)
    bias = torch.empty(config.d_sae)
    for start in range(0, config.d_sae, 1024):
        part = slice(start, start + 1024)
        pre = ((sample - centre) @ directions[:, part]).sort(dim=0).values  # (n_tokens, n)
        position = ((1 - rates[part]) * (len(pre) - 1)).long()
        bias[part] = -pre.gather(0, position[None])[0] - below[part] * pre.std(dim=0)
    decoder = directions.T.contiguous()
    decoder /= decoder.norm(dim=1, keepdim=True)
    return {"W_enc": directions, "b_enc": bias, "W_dec": decoder, "b_dec": centre}


class DensePass:
    """The released approach: dense activations of a batch, a top-k over all latents for each batch."""

    def __init__(self, weights: Weights, *, with_decoder: bool) -> None:
        """Nothing seen yet."""
        self._weights, self._with_decoder = weights, with_decoder
        n_latents = len(weights["b_enc"])
        self.n_images = 0
        self.sums, self.n_active = torch.zeros(n_latents), torch.zeros(n_latents)
        self.values, self.positions = torch.zeros(n_latents, K), torch.zeros(n_latents, K, dtype=torch.long)

    @torch.inference_mode()
    def update(self, tokens: Tokens) -> None:
        """Add a batch (n_images, n_tokens, d_in)."""
        x = torch.from_numpy(tokens).float()
        cache = {"in": x - self._weights["b_dec"]}
        cache["pre"] = cache["in"] @ self._weights["W_enc"] + self._weights["b_enc"]  # (n_images, n_tokens, d_sae)
        cache["post"] = torch.relu(cache["pre"])
        if self._with_decoder:
            cache["out"] = cache["post"] @ self._weights["W_dec"] + self._weights["b_dec"]
            (torch.pow(cache["out"] - x, 2) / (x**2).sum(dim=-1, keepdim=True).sqrt()).mean()
            torch.abs(cache["post"]).sum(dim=-1).mean()
        activation = cache["post"].mean(dim=1).T  # (d_sae, n_images)
        self.sums += activation.sum(dim=1)
        self.n_active += (activation > 0).sum(dim=1)
        values, positions = activation.topk(min(K, activation.shape[1]), dim=1)
        values = torch.cat([self.values, values], dim=1)
        positions = torch.cat([self.positions, positions + self.n_images], dim=1)
        self.values, order = values.topk(K, dim=1)
        self.positions = positions.gather(1, order)
        self.n_images += len(tokens)


class SparsePass:
    """Ours: statistics, references and counts of tokens above tau, in one pass."""

    def __init__(self, weights: Weights) -> None:
        """Nothing seen yet."""
        self.encoder = SparseEncoder(weights, Definitions())
        self.statistics = LatentStatistics.empty(self.encoder.d_sae)
        self.top = TopImages(self.encoder.d_sae, K)

    def update(self, tokens: Tokens) -> None:
        """Add a batch (n_images, n_tokens, d_in)."""
        self.add(self.encoder.images(tokens))

    def add(self, found: ImageActivations) -> None:
        """Add the activations of a batch."""
        active = found.active()
        first = self.statistics.n_images
        self.statistics.update(found)
        self.top.update(active.latent, active.activation, active.image + first)


def make_pass(variant: str, weights: Weights) -> DensePass | SparsePass:
    """A fresh pass of one of `VARIANTS`."""
    return SparsePass(weights) if variant == "ours" else DensePass(weights, with_decoder=variant == "released")


def run_pass(one: DensePass | SparsePass, tokens: Tokens, batch_size: int) -> None:
    """All tokens through a pass."""
    for start in range(0, len(tokens), batch_size):
        one.update(tokens[start : start + batch_size])


def bench(config: AtlasBenchConfig, weights: Weights, tokens: Tokens, progress: Progress = no_progress) -> pd.DataFrame:
    """Seconds per image of every variant and round, by the clock and by the processor, in turn; columns by variant.

    What is made once for all images (slices of the encoder, empty tables) is made before the clock starts.
    """
    rows = []
    for n_done in range(config.n_rounds):
        for index, variant in enumerate(VARIANTS):
            progress(n_done * len(VARIANTS) + index, config.n_rounds * len(VARIANTS))
            one = make_pass(variant, weights)
            start, cpu_start = time.perf_counter(), time.process_time()
            run_pass(one, tokens, config.batch_size)
            seconds, cpu = time.perf_counter() - start, time.process_time() - cpu_start
            rows.append({"round": n_done, "variant": variant, "s": seconds / len(tokens), "cpu_s": cpu / len(tokens)})
    progress(1, 1)
    return pd.DataFrame(rows)


def peak_memory(config: AtlasBenchConfig, make: Callable[[], tuple[Weights, Tokens]]) -> Mapping[str, float]:
    """MiB that each variant takes at its peak beyond weights and tokens, each in a process of its own."""
    context = multiprocessing.get_context("spawn")
    found = {}
    for variant in VARIANTS:
        with context.Pool(1) as pool:
            found[variant] = pool.apply(_peak_of, (variant, config, make))
    return found


def _peak_of(variant: str, config: AtlasBenchConfig, make: Callable[[], tuple[Weights, Tokens]]) -> float:
    weights, tokens = make()
    if variant == "ours":
        weights = latents_first(weights)
    before = _memory("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")  # forget the peak of making the weights
    one = make_pass(variant, weights)  # our 8-bit copy of the encoder counts
    run_pass(one, tokens, config.batch_size)
    return _memory("VmHWM") - before


def _memory(field: str) -> float:
    found = re.search(rf"{field}:\s+(\d+) kB", Path("/proc/self/status").read_text())
    if found is None:
        raise ConfigError("this system does not tell the memory of a process; measure on Linux")
    return int(found[1]) / 1024


def constructed(config: AtlasBenchConfig) -> tuple[dict[str, Tensor], Tokens]:
    """The constructed SAE and the random tokens."""
    tokens = random_tokens(config)
    return constructed_sae(config, tokens), tokens


def accumulation(n_images: int, n_latents: int, n_active: int = 2_500, seed: int = 0) -> npt.NDArray[np.float64]:
    """Seconds that each of `n_images` images takes after the encoder, in batches of 8: (n_batches,) by image.

    Random activations: `n_active` latents per image, a third of them in most images.
    """
    rng = np.random.default_rng(seed)
    statistics, top = LatentStatistics.empty(n_latents), TopImages(n_latents, K)
    n_active = min(n_active, n_latents // 10)
    weight = 1 / np.arange(1, n_latents + 1)
    seconds = []
    for start in range(0, n_images, 8):
        latents = [rng.choice(n_latents, n_active, replace=False, p=weight / weight.sum()) for _ in range(8)]
        values = rng.random(8 * n_active).astype(np.float32) + np.float32(1e-6)
        image = np.repeat(np.arange(8), n_active)
        found = ImageActivations(8, image, np.concatenate(latents), values, np.ones(8 * n_active, np.int64))
        begun = time.perf_counter()
        statistics.update(found)
        top.update(found.latent, found.activation, image + start)
        seconds.append((time.perf_counter() - begun) / 8)
    return np.array(seconds)
