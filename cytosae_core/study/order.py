"""The order in which one rater sees the items of a task: stored once, and the same whenever it is made again.

Training items come first, as the coordinator wrote them. Then the blocks in a random order, each with its main and
decoy items in a random order, so that who stops early leaves a balanced sample. Repeats belong to no block: each is
put in a random place at least `MIN_GAP` items after its original or before it, so that coming late tells nothing
about the role. A task too short for that gap gets the widest one there is. (In studies of format 1 a repeat comes
before its original only when that comes too late for the gap.)

Everything random is the SHA-256 of (salt and seed of the study, rater code, task, what is chosen), so the order depends
on no library's generator, and can be made again wherever the salt is, and nowhere else: whoever could make it would
see which items stand out of their block. (Studies of format 1 have no salt.)
"""

import hashlib
from collections import Counter

from cytosae_core.errors import StudyError
from cytosae_core.study.protocol import Item, Study

MIN_GAP = 15
"""Fewest positions between a repeat and its original, in items."""


def sampled_order(study: Study, task_id: str, rater_code: str) -> tuple[str, ...]:
    """The item ids of the task in this rater's order: each exactly once."""
    items = study.items_of(task_id)
    sampler = _Sampler("/".join([*([study.salt] if study.salt else []), str(study.seed), rater_code, task_id]))
    training = [item.item_id for item in items if item.role == "training"]
    order = _blocks([item for item in items if item.role in ("main", "decoy")], sampler)
    for repeat in sampler.permuted([item for item in items if item.role == "repeat"]):
        order = _with_repeat(order, repeat, sampler, after_first=study.format_version == 1)
    return (*training, *order)


def check_items(study: Study) -> None:
    """Raise StudyError unless item ids are unique, tasks exist and each repeat has its original in its task."""
    counts = Counter(item.item_id for item in study.items)
    doubled = sorted(item_id for item_id, n in counts.items() if n > 1)
    if doubled:
        raise StudyError(f"item ids must be unique, but {doubled[:3]} occur more than once; make the study again")
    if not study.items:
        raise StudyError(f"study {study.study_id!r} has no items; make it with at least one")
    originals = {(item.task_id, item.item_id) for item in study.items if item.role in ("main", "decoy")}
    for item in study.items:
        study.task(item.task_id)
        is_repeat = item.role == "repeat"
        if is_repeat != (item.repeat_of is not None) or (is_repeat and (item.task_id, item.repeat_of) not in originals):
            raise StudyError(
                f"item {item.item_id!r} has role {item.role!r} and repeats {item.repeat_of!r}; exactly the repeats "
                "name a main or decoy item of their own task"
            )


class _Sampler:
    def __init__(self, seed: str) -> None:
        self._seed = seed

    def number(self, what: str) -> int:
        return int.from_bytes(hashlib.sha256(f"{self._seed}/{what}".encode()).digest())

    def permuted(self, items: list[Item]) -> list[Item]:
        return sorted(items, key=lambda item: self.number(f"item/{item.item_id}"))


def _blocks(items: list[Item], sampler: _Sampler) -> list[str]:
    blocks = sorted({item.block for item in items}, key=lambda block: sampler.number(f"block/{block}"))
    return [item.item_id for block in blocks for item in sampler.permuted([one for one in items if one.block == block])]


def _with_repeat(order: list[str], repeat: Item, sampler: _Sampler, *, after_first: bool) -> list[str]:
    original = order.index(str(repeat.repeat_of))
    after = range(original + MIN_GAP, len(order) + 1)
    before = range(original + 2 - MIN_GAP)
    widest = range(len(order), len(order) + 1) if 2 * original < len(order) else range(1)
    places = ((after or before) if after_first else [*before, *after]) or widest
    place = places[sampler.number(f"place/{repeat.item_id}") % len(places)]
    return [*order[:place], repeat.item_id, *order[place:]]
