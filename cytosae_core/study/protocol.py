"""Studies as frozen values: what is asked, about which pictures, in which words.

A study is made once, written to disk and to the database, and never changed. Its `study_id` ends in the
digest of its content, so a study that was edited by hand is recognised wherever it is read.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import msgspec

from cytosae_core.artifacts.manifest import digest_of, plain_document
from cytosae_core.errors import AnswerError, StudyError
from cytosae_core.study.names import salt_digest

FORMAT_VERSION = 2
READABLE = (1, 2)
"""Formats that are read. Studies of format 1 have no salt; they keep their ids and orders."""
DESK_KEYS = ("z", "m", "p", "?")
"""Keys of the judging desk's own tools, which no answer may have."""

Role = Literal["main", "repeat", "decoy", "training"]
QuestionKind = Literal["choice", "several", "text"]
Answers = dict[str, str | list[str]]
"""Question id -> the chosen value, the list of chosen values, or the typed text."""


@dataclass(frozen=True)
class Option:
    """One answer that can be chosen."""

    value: str
    """What is stored and exported."""
    label: str
    """What the rater reads."""
    key: str = ""
    """The key that chooses it, lower case and the only one of its stage; empty when it has none."""
    term_code: str = ""
    """Code in an external terminology, where one is known."""


@dataclass(frozen=True)
class Question:
    """One question of a form."""

    question_id: str
    text: str
    kind: QuestionKind
    options: tuple[Option, ...] = ()
    required: bool = False
    only_if: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Asked only when each named question has one of these values; empty: always asked."""
    hint: str = ""
    key: str = ""
    """The key that moves to the question; empty when it has none."""
    max_length: int = 2000
    """Longest text, in characters."""

    def is_asked(self, answers: Mapping[str, Any]) -> bool:
        """Whether the answers so far call for this question."""
        return all(answers.get(name) in values for name, values in self.only_if.items())

    @property
    def values(self) -> tuple[str, ...]:
        """The values that can be chosen, in reading order."""
        return tuple(option.value for option in self.options)


@dataclass(frozen=True)
class Stage:
    """Questions that are answered and saved together; later stages may reveal what earlier ones hid."""

    stage_id: str
    title: str
    questions: tuple[Question, ...]
    reveals_direction: bool = False
    """Whether the rater is told the item's direction before these questions."""


@dataclass(frozen=True)
class Task:
    """One kind of judgement: its instructions and its stages, in order."""

    task_id: str
    title: str
    instructions: str
    """Markdown, written by the coordinator."""
    stages: tuple[Stage, ...]

    def stage(self, stage_id: str) -> Stage:
        """The stage of that id; raises StudyError when there is none."""
        for stage in self.stages:
            if stage.stage_id == stage_id:
                return stage
        raise StudyError(f"task {self.task_id!r} has no stage {stage_id!r}; it has {[s.stage_id for s in self.stages]}")


@dataclass(frozen=True)
class Picture:
    """One frame on the screen: a reference image, or the empty frame of one that is not on disk."""

    dataset: str
    rank: int
    """Position among the latent's reference images of the data set, from 0."""
    image_id: str
    """Never sent to a rater: it may name the class."""
    sha256: str | None
    """Digest and name of the display file; None: not on disk."""
    map_index: int | None = None
    """Row of the atlas's patch maps; None: it has none."""


@dataclass(frozen=True)
class Item:
    """One thing to judge. Raters see only the pictures."""

    item_id: str
    """Opaque: says nothing about latent, role or position."""
    task_id: str
    role: Role
    block: int
    """Blocks hold one latent of each stratum, so who stops early leaves a balanced sample."""
    pictures: tuple[Picture, ...]
    latent: int | None = None
    """None for a decoy, whose pictures come from several latents."""
    stratum: int | None = None
    """Cluster the latent was sampled from."""
    direction: str | None = None
    """Group in which the latent is stronger (differential items)."""
    rank: int | None = None
    """Position among the differential latents of its direction, from 1."""
    repeat_of: str | None = None
    """Item shown a second time (role `repeat`)."""

    @property
    def pictures_digest(self) -> str:
        """Digest of exactly what the rater sees, in order; stored with each judgement."""
        return digest_of([[picture.dataset, picture.rank, picture.sha256] for picture in self.pictures])


@dataclass(frozen=True)
class Stratum:
    """One cluster of latents, with the numbers that weights need."""

    stratum: int
    n_latents: int
    """High-activation latents in the cluster."""
    n_eligible: int
    """Those with enough reference images on disk: the population that the sample speaks for."""
    n_drawn: int
    """Latents sampled from it; the word is that of studies of version 1."""


@dataclass(frozen=True)
class Study:
    """Everything that a study is, but for its raters and their judgements."""

    study_id: str
    title: str
    seed: int
    created_at: str
    """UTC, ISO 8601."""
    atlas_id: str
    sae_id: str
    simulated: bool
    """Whether any picture was rendered by a program: then every screen and export says so."""
    datasets: tuple[str, ...]
    """Data sets whose pictures are shown, in order."""
    tasks: tuple[Task, ...]
    items: tuple[Item, ...]
    strata: tuple[Stratum, ...] = ()
    sampling: Mapping[str, Any] = field(default_factory=dict)
    """How items were chosen: thresholds, seeds, counts, top-ups, the pair of groups."""
    um_per_px: Mapping[str, int | float] = field(default_factory=dict)
    """Micrometres per display pixel of each data set where it is known."""
    salt: str = field(default="", repr=False)
    """Secret: item ids, names of pictures and raters' orders are made with it, and it with no seed (`names.py`).
    Never sent to a browser and never exported; empty in an export, and in studies of format 1."""
    salt_sha256: str = ""
    """Digest of the salt; the study's id covers it in the salt's place."""
    format_version: int = FORMAT_VERSION

    def task(self, task_id: str) -> Task:
        """The task of that id; raises StudyError when there is none."""
        for task in self.tasks:
            if task.task_id == task_id:
                return task
        raise StudyError(f"study {self.study_id!r} has no task {task_id!r}; it has {[t.task_id for t in self.tasks]}")

    def item(self, item_id: str) -> Item:
        """The item of that id; raises StudyError when there is none."""
        for item in self.items:
            if item.item_id == item_id:
                return item
        raise StudyError(f"study {self.study_id!r} has no item {item_id!r}; reload the page")

    def items_of(self, task_id: str) -> tuple[Item, ...]:
        """The items of one task, in the order of the document (no rater's order)."""
        return tuple(item for item in self.items if item.task_id == task_id)


def seal(study: Study, slug: str) -> Study:
    """The study with the id that its content demands: `<slug>-<12 hex digits>`.

    Raises StudyError when two answers or questions of a stage have the same key, or one of the desk's.
    """
    check_keys(study.tasks)
    study = dataclasses.replace(study, salt_sha256=salt_digest(study.salt))
    return dataclasses.replace(study, study_id=f"{slug}-{_content_digest(study)}")


def to_document(study: Study, *, with_salt: bool = True) -> dict[str, Any]:
    """The study as plain JSON values; without its salt for whoever is not to compute names."""
    document = plain_document(study)
    if study.format_version == 1:
        del document["salt"], document["salt_sha256"]
    elif not with_salt:
        document["salt"] = ""
    return document


def from_document(document: Mapping[str, Any]) -> Study:
    """The study of a JSON document.

    Raises StudyError when the format is unknown, a field is missing or unknown, the content is not what
    the id was made from (somebody edited it), or a key of a stage means two things.
    """
    version = document.get("format_version")
    if version not in READABLE:
        raise StudyError(
            f"study format {version!r} is not readable here (this version reads {READABLE[0]} and {READABLE[1]}); "
            "update the workbench"
        )
    try:
        study = msgspec.convert(document, Study)
        if lacking := sorted(to_document(study).keys() - document.keys()):
            raise ValueError(f"the file was cut, or lacks some fields: {', '.join(lacking)}")
        check_seal(study)
        if to_document(study) != document:
            raise ValueError("it has fields that this version does not know, or lacks some")
    except (ValueError, RecursionError) as error:  # also half a character, which canonical JSON refuses
        raise StudyError(
            f"the study document is damaged ({_shortly(error)}); take the file that create_study.py wrote"
        ) from error
    check_keys(study.tasks)
    return study


def check_seal(study: Study) -> None:
    """Raise StudyError unless the study's id matches its content, and its salt, where it is there, the digest."""
    is_its_salt = study.salt == "" or (study.salt_sha256 == salt_digest(study.salt) and study.format_version > 1)
    if study.study_id.rpartition("-")[2] != _content_digest(study) or not is_its_salt:
        raise StudyError(
            f"study {study.study_id!r} was changed after it was made: its content has digest {_content_digest(study)}. "
            "Restore the original file, or make a new study with create_study.py"
        )


def check_keys(tasks: Sequence[Task]) -> None:
    """Raise StudyError unless each key of a stage does one thing: the desk could not tell what was meant."""
    for task in tasks:
        for stage in task.stages:
            _check_stage_keys(f"stage {stage.stage_id!r} of task {task.task_id!r}", stage)


def check_answers(stage: Stage, answers: Mapping[str, Any]) -> Answers:
    """The answers to keep: of asked questions only, each of the right kind.

    Raises AnswerError that names the question when a required answer is missing, a value is not among the
    options, or a text is too long.
    """
    known = {question.question_id for question in stage.questions}
    for name in answers:
        if name not in known:
            raise AnswerError(f"{name!r} is not a question of stage {stage.stage_id!r}; reload the page")
    kept: Answers = {}
    for question in stage.questions:
        if question.is_asked(kept):
            value = _checked(question, answers.get(question.question_id))
            if value:
                kept[question.question_id] = value
            elif question.required:
                raise AnswerError(f"please answer: {question.text}")
    return kept


def _checked(question: Question, value: object) -> str | list[str] | None:
    if value is None or value == "" or value == []:
        return None
    if question.kind == "several":
        return _checked_list(question, value)
    if not isinstance(value, str):
        raise AnswerError(f"the answer to {question.question_id!r} must be text, not {type(value).__name__}")
    if question.kind == "choice" and value not in question.values:
        raise AnswerError(
            f"{value!r} is not an answer to {question.question_id!r}; choose one of {list(question.values)}"
        )
    if len(value) > question.max_length:
        raise AnswerError(
            f"the answer to {question.text!r} has {len(value)} characters; at most {question.max_length} fit"
        )
    return value.strip() or None


def _checked_list(question: Question, value: object) -> list[str]:
    chosen: Sequence[object] = value if isinstance(value, list | tuple) else [value]
    for one in chosen:
        if one not in question.values:
            raise AnswerError(
                f"{one!r} is not an answer to {question.question_id!r}; choose among {list(question.values)}"
            )
    return [one for one in question.values if one in chosen]


def _check_stage_keys(place: str, stage: Stage) -> None:
    keyed = [(f"question {question.question_id!r}", question.key) for question in stage.questions] + [
        (f"answer {option.value!r} to {question.question_id!r}", option.key)
        for question in stage.questions
        for option in question.options
    ]
    taken: dict[str, str] = dict.fromkeys(DESK_KEYS, "the desk itself")
    for name, key in keyed:
        if not key:
            continue
        if len(key) != 1 or key != key.lower() or key.isspace():
            raise StudyError(f"{place}: {name} has key {key!r}; use one lower-case letter, digit or sign")
        if key in taken:
            raise StudyError(f"{place}: {name} and {taken[key]} have the same key {key!r}; choose another one")
        taken[key] = name


def _shortly(error: Exception) -> str:
    """What is wrong, in text that any terminal and file can take."""
    return str(error).encode("ascii", "backslashreplace").decode()[:300]


def _content_digest(study: Study) -> str:
    document = to_document(study, with_salt=False)
    del document["study_id"]
    return digest_of(document)[:12]
