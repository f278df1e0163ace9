"""The two tasks of the paper as protocols: questions are data, and the app shows whatever it is given."""

from cytosae_core.study.protocol import Option, Question, Stage, Task
from cytosae_core.study.vocabulary import TERMS

CONCEPT_TASK = "concept"
DISEASE_TASK = "disease"

_CONFIDENCE = Question(
    "confidence",
    "How sure are you?",
    "choice",
    (Option("1", "Guess", "1"), Option("2", "Fairly sure", "2"), Option("3", "Certain", "3")),
    required=True,
)
_COMMENT = Question("comment", "Comment", "text", key="k", hint="Anything worth keeping; stored as typed.")

_CONCEPT_INSTRUCTIONS = """\
Each screen shows the cells that one unknown pattern detector answers to most strongly.

1. **Look at all pictures.** Is there one morphological trait that most of them share, and that you would recognise \
again in a new cell? A trait may be a cell type, a part of the cell, its surroundings or its staining.
2. **Choose** *Yes*, *No*, *Artefact* (a shared trait that is not biology, such as dirt, blur or the edge) or \
*Cannot judge*.
3. If yes, **name it** in your own words, as you would in a report. Tick what it is about.
4. Say **how sure** you are, and save.

There is no time limit and no score. Some screens may be there to check the method, not you. Work alone: please do not \
discuss single screens with others before the study has ended. Every answer can be revised under *My answers*.
"""

_DISEASE_INSTRUCTIONS = """\
Each screen shows cells that one pattern detector answers to most strongly, all from patients with acute myeloid \
leukaemia or from stem-cell donors. Each screen has two steps.

1. **Before you are told anything:** which group do these cells come from most, {a} or {b}? *Neither* and *Cannot \
tell* are answers. This step cannot be changed later.
2. **Then you are told** in which of the two groups the detector answers more often. Is what you see specific to that \
disease, **and** would a cytomorphologist recognise it?

There is no time limit and no score. Some screens may be there to check the method, not you. Work alone: please do not \
discuss single screens with others before the study has ended.
"""


def concept_task() -> Task:
    """Task A: is the latent a meaningful concept, and what is it?"""
    questions = (
        Question("meaningful", "Do these cells share a meaningful concept?", "choice", _verdicts(), required=True),
        Question(
            "concept",
            "What is it?",
            "text",
            required=True,
            only_if={"meaningful": ("yes",)},
            key="t",
            hint="In your own words",
            max_length=300,
        ),
        Question("terms", "It is about", "several", TERMS, only_if={"meaningful": ("yes", "artefact")}, key="v"),
        _CONFIDENCE,
        _COMMENT,
    )
    return Task(CONCEPT_TASK, "Concepts", _CONCEPT_INSTRUCTIONS, (Stage("concept", "Concept", questions),))


def disease_task(group_a: str, group_b: str) -> Task:
    """Task B: a blind choice between the two groups, then the paper's question with the direction revealed."""
    instructions = _DISEASE_INSTRUCTIONS.format(a=group_a, b=group_b)
    return Task(DISEASE_TASK, "Disease", instructions, (_blind_stage(group_a, group_b), _revealed_stage()))


def _verdicts() -> tuple[Option, ...]:
    return (
        Option("yes", "Yes", "y"),
        Option("no", "No", "n"),
        Option("artefact", "Artefact", "a"),
        Option("cannot_judge", "Cannot judge", "u"),
    )


def _blind_stage(group_a: str, group_b: str) -> Stage:
    options = (
        Option(group_a, group_a, "a"),
        Option(group_b, group_b, "b"),
        Option("neither", "Neither", "n"),
        Option("cannot_tell", "Cannot tell", "u"),
    )
    question = Question("group", "Which disease do these cells speak for?", "choice", options, required=True)
    return Stage("blind", "Before the direction is shown", (question, _CONFIDENCE))


def _revealed_stage() -> Stage:
    options = (Option("yes", "Yes", "y"), Option("no", "No", "n"), Option("cannot_judge", "Cannot judge", "u"))
    questions = (
        Question("specific", "Disease-specific, and recognisable?", "choice", options, required=True),
        Question("concept", "What is it?", "text", key="t", hint="In your own words", max_length=300),
        _COMMENT,
    )
    return Stage("revealed", "With the direction shown", questions, reveals_direction=True)
