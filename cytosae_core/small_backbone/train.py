"""From cells to weights: the guide first, then the transformer, phase by phase, with a state on disk to go on from."""

import json
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from cytosae_core.artifacts.files import whole_file
from cytosae_core.errors import BackboneError
from cytosae_core.geometry import GRID, PATCH_SIZE
from cytosae_core.progress import Progress, no_progress
from cytosae_core.small_backbone import augment, heads
from cytosae_core.small_backbone.batches import Batch, Corpus
from cytosae_core.small_backbone.config import SmallBackboneConfig, TrainingPhase, recorded
from cytosae_core.small_backbone.guide import SIDE, Guide
from cytosae_core.small_backbone.student import Student, Window, start_student
from cytosae_core.small_backbone.workers import Worker

N_WATCHED = 240
"""Held-out images that the learning curve is measured on; nothing is chosen by them."""
WATCH_EVERY = 100
"""Steps between two points of the curve."""
N_WHITENED = 20_000
"""Patches from which the first patch embedding is computed."""


@dataclass
class Networks:
    """All that learns."""

    guide: Guide
    guide_heads: heads.GuideHeads
    student: Student
    student_heads: heads.StudentHeads

    @classmethod
    def fresh(cls, corpus: Corpus) -> "Networks":
        """First weights, from the configured seed: the same in every process."""
        torch.manual_seed(corpus.config.seed)
        n_types, n_values = len(corpus.real.types), corpus.real.n_values
        student = Student()
        networks = cls(
            Guide().to(memory_format=torch.channels_last), heads.GuideHeads(n_types, n_values),
            student, heads.StudentHeads(int(student.vit.embed_dim), n_types, n_values),  # type: ignore[arg-type]
        )  # fmt: skip
        start_student(student, _some_patches(corpus))
        return networks

    def state(self) -> dict[str, dict[str, Tensor]]:
        """Every tensor, by network."""
        return {name: module.state_dict() for name, module in self._modules().items()}

    def load(self, state: dict[str, dict[str, Tensor]]) -> None:
        """Take over what `state` gave."""
        for name, module in self._modules().items():
            module.load_state_dict(state[name])

    def _modules(self) -> dict[str, nn.Module]:
        return {name: getattr(self, name) for name in ("guide", "guide_heads", "student", "student_heads")}


def _some_patches(corpus: Corpus) -> Tensor:
    batch = corpus.training(0, 0, 96, 0)
    pixels = augment.look(batch.pictures, augment.grid_of(batch.view, GRID * PATCH_SIZE), batch.view)
    patches = nn.functional.unfold(pixels, PATCH_SIZE, stride=PATCH_SIZE).transpose(1, 2).flatten(0, 1)
    return patches[torch.randperm(len(patches), generator=torch.Generator().manual_seed(0))[:N_WHITENED]]


def train(corpus: Corpus, folder: Path, worker: Worker, progress: Progress = no_progress) -> Networks:
    """All phases, from the last state in `folder` on; every process returns the same weights."""
    networks = Networks.fresh(corpus)
    phases = (corpus.config.guide, *corpus.config.phases)
    n_all, n_before = sum(phase.n_steps for phase in phases), 0
    for number, phase in enumerate(phases):
        loss = _guide_loss if number == 0 else _student_loss
        run = PhaseRun(number, phase, loss, corpus, networks, folder, worker)
        run.go(lambda n_done, _, before=n_before: progress(before + n_done, n_all))  # type: ignore[misc]
        n_before += phase.n_steps
    return networks


Loss = Callable[[Networks, Batch, TrainingPhase, SmallBackboneConfig, torch.Generator], Tensor]


@dataclass
class PhaseRun:
    """One phase in one process."""

    number: int
    phase: TrainingPhase
    loss: Loss
    corpus: Corpus
    networks: Networks
    folder: Path
    worker: Worker

    def go(self, progress: Progress) -> None:
        """Train to the end of the phase; nothing happens where it is behind us."""
        of_guide = [self.networks.guide, self.networks.guide_heads]
        of_student = [self.networks.student, self.networks.student_heads]
        self.learning: list[nn.Module] = of_guide if self.number == 0 else of_student
        self.optimisers = make_optimisers(self.learning, self.corpus.config.weight_decay)
        first = self._resume()
        for step in range(first, self.phase.n_steps):
            started = time.monotonic()
            loss = self._step(step)
            n_done = step + 1
            if n_done % WATCH_EVERY == 0 or n_done == self.phase.n_steps:
                self._log(n_done, loss, time.monotonic() - started)
            if n_done % self.corpus.config.checkpoint_every == 0 or n_done == self.phase.n_steps:
                self._save(n_done)
            progress(n_done, self.phase.n_steps)

    def _step(self, step: int) -> float:
        config = self.corpus.config
        batch = self.corpus.training(self.number, step, self.phase.batch // self.worker.n, self.worker.rank)
        generator = torch.Generator().manual_seed(hash((config.seed, self.number, step)) % 2**31)
        for optimiser in self.optimisers:
            for group in optimiser.param_groups:
                group["lr"] = rate(step, self.phase)
            optimiser.zero_grad()
        loss = self.loss(self.networks, batch, self.phase, config, generator)
        loss.backward()  # type: ignore[no-untyped-call]
        self.worker.mean([p.grad for module in self.learning for p in module.parameters() if p.grad is not None])
        for optimiser in self.optimisers:
            optimiser.step()
        return float(loss.detach())

    def _log(self, n_done: int, loss: float, seconds: float) -> None:
        buffers = [b for b in self.networks.guide.buffers() if b.is_floating_point()]
        self.worker.mean(buffers)
        right = torch.tensor([self._accuracy()])
        self.worker.mean([right])
        if self.worker.rank == 0:
            line = {"stage": self.number, "step": n_done, "loss": loss, "accuracy": float(right), "seconds": seconds}
            with (self.folder / "curve.jsonl").open("a") as log:
                log.write(json.dumps(line) + "\n")

    @torch.inference_mode()
    def _accuracy(self) -> float:
        """Share of watched held-out images whose type is found, by the head of this phase."""
        batch = self.corpus.held_out(self.worker.rank, N_WATCHED)
        found = torch.cat([self._types(part, batch) for part in torch.split(torch.arange(len(batch.types)), 32)])
        return float((found == batch.types).float().mean())

    def _types(self, part: Tensor, batch: Batch) -> Tensor:
        view = augment.View(*(tensor[part] for tensor in batch.view))
        networks, side = self.networks, SIDE if self.number == 0 else GRID * PATCH_SIZE
        pixels = augment.look(batch.pictures[part], augment.grid_of(view, side), view)
        networks.guide.eval()
        with torch.autocast("cpu", torch.bfloat16):
            if self.number == 0:
                return networks.guide_heads.answer(networks.guide(pixels)).types.argmax(1)
            tokens = networks.student(pixels, Window(0, 0, GRID))
            return networks.student_heads.answers(tokens)[0].types.argmax(1)

    def _save(self, n_done: int) -> None:
        """The whole state by rename: a killed run leaves the one before."""
        if self.worker.rank == 0:
            state = {
                "recipe": recorded(self.corpus.config), "stage": self.number, "n_done": n_done,
                "pupils": self.networks.state(),
                "optimisers": [optimiser.state_dict() for optimiser in self.optimisers],
            }  # fmt: skip
            with whole_file(self.folder / "state.pt") as file:
                torch.save(state, file)
        self.worker.wait()

    def _resume(self) -> int:
        """Steps of this phase that are done."""
        path = self.folder / "state.pt"
        if not path.is_file():
            return 0
        state = torch.load(path, weights_only=True)
        if state["recipe"] != recorded(self.corpus.config):
            raise BackboneError(f"{path} was begun with other settings, {state['recipe']}; choose another folder")
        if state["stage"] != self.number:
            return self.phase.n_steps if state["stage"] > self.number else 0
        self.networks.load(state["pupils"])
        for optimiser, saved in zip(self.optimisers, state["optimisers"], strict=True):
            optimiser.load_state_dict(saved)
        return int(state["n_done"])


def make_optimisers(modules: list[nn.Module], weight_decay: float) -> tuple[torch.optim.Optimizer, ...]:
    """Muon for the matrices of the transformer's blocks (Jordan et al. 2024), AdamW for everything else."""
    named = [pair for module in modules for pair in module.named_parameters()]
    matrices = [p for name, p in named if ".blocks." in name and p.ndim == 2]
    others = [p for name, p in named if not (".blocks." in name and p.ndim == 2)]
    adam = torch.optim.AdamW(others, weight_decay=weight_decay, betas=(0.9, 0.98))
    if not matrices:
        return (adam,)
    return adam, torch.optim.Muon(matrices, weight_decay=weight_decay, adjust_lr_fn="match_rms_adamw")


def rate(step: int, phase: TrainingPhase) -> float:
    """Learning rate: linear rise, then half a cosine down to `last_rate` of the highest."""
    if step < phase.warm_up:
        return phase.learning_rate * (step + 1) / phase.warm_up
    turn = (step - phase.warm_up) / max(1, phase.n_steps - phase.warm_up)
    return phase.learning_rate * (phase.last_rate + (1 - phase.last_rate) * (1 + math.cos(math.pi * turn)) / 2)


def _guide_loss(
    networks: Networks, batch: Batch, phase: TrainingPhase, config: SmallBackboneConfig, generator: torch.Generator
) -> Tensor:
    networks.guide.train()
    pixels = augment.look(batch.pictures, augment.grid_of(batch.view, SIDE), batch.view)
    with torch.autocast("cpu", torch.bfloat16):
        maps = networks.guide(pixels)
        answers, parts = networks.guide_heads.answer(maps), networks.guide_heads.find_parts(maps)
    n_rendered = len(batch.masks)
    covered = augment.coverage(batch.masks, _last(batch.view, n_rendered), GRID)
    return heads.label_loss(answers, batch, config.smoothing) + heads.parts_loss(parts[-n_rendered:], covered)


def _student_loss(
    networks: Networks, batch: Batch, phase: TrainingPhase, config: SmallBackboneConfig, generator: torch.Generator
) -> Tensor:
    window = random_window(phase.window, generator)
    grid = augment.grid_of(batch.view, GRID * PATCH_SIZE)
    maps, guide = _guided(networks, batch)
    shown = (window.cut_patches(maps[0].permute(0, 2, 3, 1)), window.cut_patches(maps[1].permute(0, 2, 3, 1)))
    pixels = augment.look(batch.pictures, window.cut(grid), batch.view)
    with torch.autocast("cpu", torch.bfloat16):
        tokens = networks.student(pixels, window)
        answers, guessed = networks.student_heads.answers(tokens), networks.student_heads.imitation(tokens)
        parts = networks.student_heads.find_parts(tokens)
    n_rendered = len(batch.masks)
    covered = window.cut_patches(augment.coverage(batch.masks, _last(batch.view, n_rendered), GRID))
    loss = heads.parts_loss(parts[-n_rendered:], covered) + heads.imitation_loss(guessed, shown)
    for answer in answers:
        loss = loss + heads.label_loss(answer, batch, config.smoothing)
        loss = loss + heads.imitate_types(answer, guide, len(batch.types) - n_rendered)
    return loss


@torch.no_grad()
def _guided(networks: Networks, batch: Batch) -> tuple[tuple[Tensor, Tensor], heads.Answers]:
    networks.guide.eval()
    pixels = augment.look(batch.pictures, augment.grid_of(batch.view, SIDE), batch.view)
    with torch.autocast("cpu", torch.bfloat16):
        maps = networks.guide(pixels)
        return (maps.local, heads.enlarged(maps)), networks.guide_heads.answer(maps)


def random_window(side: int, generator: torch.Generator) -> Window:
    """A square of patches at most two patches off the middle."""
    middle = (GRID - side) / 2
    reach = min(2, int(middle))
    row, col = (int(torch.randint(-reach, reach + 1, (), generator=generator)) for _ in range(2))
    return Window(int(middle) + row, int(middle) + col, side)


def _last(view: augment.View, n: int) -> augment.View:
    return augment.View(*(tensor[len(tensor) - n :] for tensor in view))
