"""Studies as frozen, sealed values, and which answers a stage takes."""

import copy
import dataclasses
import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cytosae_core.errors import AnswerError, StudyError
from cytosae_core.study.files import read_study
from cytosae_core.study.names import salt_digest
from cytosae_core.study.protocol import (
    Option,
    Question,
    Stage,
    check_answers,
    check_seal,
    digest_of,
    from_document,
    seal,
    to_document,
)
from cytosae_core.study.tasks import concept_task, disease_task
from tests.judging.judged import A, B, small_study
from tests.study.tiny_study import tiny_study

CONCEPT = concept_task().stages[0]
BLIND, REVEALED = disease_task(A, B).stages


def places(value, path=()):
    """Every place in a JSON document that holds a plain value."""
    if isinstance(value, dict):
        return [place for key, part in value.items() for place in places(part, (*path, key))]
    if isinstance(value, list):
        return [place for key, part in enumerate(value) for place in places(part, (*path, key))]
    return [path]


DOCUMENT = to_document(small_study())
PLACES = [place for place in places(DOCUMENT) if place != ("format_version",)]


def test_a_study_survives_its_document_and_json():
    for study in (small_study(), tiny_study(), tiny_study(n_disease=0, simulated=False)):
        assert from_document(json.loads(json.dumps(to_document(study)))) == study


@given(place=st.sampled_from(PLACES))
def test_any_edited_value_is_recognised(place):
    document = copy.deepcopy(DOCUMENT)
    parent = document
    for key in place[:-1]:
        parent = parent[key]
    parent[place[-1]] = "edited"
    with pytest.raises(StudyError, match=r"was changed after it was made|is damaged"):
        from_document(document)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: d["items"][0].update(block="two"), r"Expected `int`, got `str` - at `\$\.items\[0\]\.block`"),
        (lambda d: d["items"][0].update(role="boss"), r"Invalid enum value 'boss' - at `\$\.items\[0\]\.role`"),
        (
            lambda d: d["tasks"][0]["stages"][0].pop("title"),
            r"field `title` - at `\$\.tasks\[0\]\.stages\[0\]`",
        ),
        (lambda d: d["items"][0].update(colour="red"), "has fields that this version does not know"),
        (lambda d: d.pop("strata"), "or lacks some"),
    ],
)
def test_what_is_wrong_with_a_document_is_named_with_its_place(change, message):
    document = copy.deepcopy(DOCUMENT)
    change(document)
    with pytest.raises(StudyError, match=rf"is damaged \(.*{message}.*take the file that create_study\.py wrote"):
        from_document(document)


def test_whole_numbers_of_micrometres_keep_the_id():
    study = seal(dataclasses.replace(small_study(), um_per_px={"a": 1}), "small")
    check_seal(from_document(json.loads(json.dumps(to_document(study)))))


def test_the_id_is_made_from_the_content_and_not_from_the_name():
    study = small_study()
    other = seal(study, "other")
    assert other.study_id.rpartition("-")[2] == study.study_id.rpartition("-")[2]
    assert seal(dataclasses.replace(study, seed=12), "small").study_id != study.study_id
    check_seal(other)


@pytest.mark.parametrize("version", [None, 0, 3, "1"])
def test_another_format_is_refused_with_what_is_readable(version):
    with pytest.raises(StudyError, match=r"is not readable here \(this version reads 1 and 2\)"):
        from_document({**DOCUMENT, "format_version": version})


def test_a_study_of_the_first_format_keeps_its_id_and_its_document_to_the_letter():
    old = dataclasses.replace(small_study(), format_version=1)
    document = to_document(seal(old, "small"))
    assert document["study_id"] == "small-253c193ba887"
    assert digest_of(document) == "7e92818c345f4468aca131e7f983b95f05da17c912c32c3525405ff440696562"
    assert to_document(from_document(document)) == document


@pytest.mark.parametrize("more", [{"salt": "x"}, {"salt": "x", "salt_sha256": salt_digest("x")}])
def test_a_study_of_the_first_format_has_no_salt(more):
    document = to_document(seal(dataclasses.replace(small_study(), format_version=1), "small"))
    with pytest.raises(StudyError, match="was changed after it was made"):
        from_document({**document, **more})


def salted(salt: str = "5a" * 32):
    return seal(dataclasses.replace(small_study(), salt=salt), "small")


def test_the_id_tells_the_salt_apart_without_telling_the_salt_and_no_repr_does():
    assert salted().study_id != salted("5b" * 32).study_id
    shared = to_document(salted(), with_salt=False)
    assert shared["study_id"] == salted().study_id
    for text in (json.dumps(shared), repr(salted())):
        assert "5a" * 8 not in text
    assert from_document(shared).salt == ""


@pytest.mark.parametrize("salt", ["5b" * 32, "x", 5, None, ["5a"]])
def test_an_edited_salt_is_recognised(salt):
    with pytest.raises(StudyError, match=r"was changed after it was made|is damaged"):
        from_document({**to_document(salted()), "salt": salt})


@pytest.mark.parametrize("name", ["items", "tasks", "strata", "title", "seed"])
def test_a_missing_field_is_refused(name):
    document = {key: value for key, value in DOCUMENT.items() if key != name}
    with pytest.raises(StudyError, match="is damaged"):
        from_document(document)


def test_an_unknown_field_is_refused():
    with pytest.raises(StudyError, match="is damaged"):
        from_document({**DOCUMENT, "extra": 1})


@pytest.mark.parametrize("name", ["title", "created_at", "seed", "atlas_id", "sampling", "um_per_px"])
@pytest.mark.parametrize("text", ["NaN", "-Infinity", r'"half \ud83d"', r'{"\udc00": 1}', "1" * 5000])
def test_values_that_json_reads_and_no_study_holds_are_refused_in_plain_text(tmp_path, name, text):
    value = json.dumps({**DOCUMENT, name: "@@"}).replace('"@@"', text)
    path = tmp_path / "study.json"
    path.write_text(value, encoding="utf-8")
    with pytest.raises(StudyError, match=r"is damaged|was changed|cannot be read") as caught:
        read_study(path)
    str(caught.value).encode()


def study_with(*questions):
    """A sealed study whose only stage asks these, however little they fit together."""
    study = small_study(with_disease=False)
    task = dataclasses.replace(study.tasks[0], stages=(Stage("concept", "Concept", questions),))
    return dataclasses.replace(study, tasks=(task,))


def choice(question_id, *keys, own=""):
    options = tuple(Option(f"{question_id}{place}", "?", key) for place, key in enumerate(keys))
    return Question(question_id, "?", "choice", options, key=own)


@pytest.mark.parametrize(
    ("questions", "text"),
    [
        ([choice("q", "a", "a")], "answer 'q1' to 'q' and answer 'q0' to 'q' have the same key 'a'"),
        ([choice("q", "a"), choice("r", "a")], "answer 'r0' to 'r' and answer 'q0' to 'q' have the same key 'a'"),
        ([choice("q", "a"), choice("r", own="a")], "answer 'q0' to 'q' and question 'r' have the same key 'a'"),
        ([choice("q", own="t"), choice("r", own="t")], "question 'r' and question 'q' have the same key 't'"),
        ([choice("q", "A")], "answer 'q0' to 'q' has key 'A'; use one lower-case"),
        ([choice("q", own="tt")], "question 'q' has key 'tt'; use one lower-case"),
        ([choice("q", " ")], "answer 'q0' to 'q' has key ' '; use one lower-case"),
        *[([choice("q", key)], f"'q0' to 'q' and the desk itself have the same key '{key}'") for key in "zmp?"],
    ],
)
def test_a_key_that_could_mean_two_things_is_refused_when_a_study_is_sealed_and_loaded(questions, text):
    study = study_with(*questions)
    with pytest.raises(StudyError, match="stage 'concept' of task 'concept': .*" + re.escape(text)):
        seal(study, "small")
    document = {**to_document(study), "study_id": "small-" + digest_without_id(study)}
    with pytest.raises(StudyError, match=re.escape(text)):
        from_document(document)


def digest_without_id(study):
    document = to_document(study)
    del document["study_id"]
    return digest_of(document)[:12]


def test_stages_may_use_the_same_keys_and_answers_may_have_none():
    assert seal(study_with(choice("q", "", ""), choice("r", "", own="")), "small").study_id
    assert {"y", "n"} <= {option.key for option in CONCEPT.questions[0].options}
    assert {"y", "n"} <= {option.key for option in REVEALED.questions[0].options}


@given(value=st.dictionaries(st.text(), st.integers() | st.text() | st.lists(st.booleans())))
def test_the_digest_depends_on_content_and_not_on_the_order_of_keys(value):
    turned = dict(reversed(list(value.items())))
    assert digest_of(value) == digest_of(turned)
    assert digest_of({**value, "more": 1}) != digest_of({**value, "more": 2})


def test_the_pictures_digest_is_of_what_is_seen_in_its_order():
    item = small_study().items[0]
    turned = dataclasses.replace(item, pictures=item.pictures[::-1])
    relabelled = dataclasses.replace(item, latent=99, item_id="x", role="repeat")
    assert turned.pictures_digest != item.pictures_digest
    assert relabelled.pictures_digest == item.pictures_digest


def test_unknown_tasks_stages_and_items_are_named_in_the_error():
    study = small_study()
    with pytest.raises(StudyError, match=r"has no task 'x'; it has \['concept', 'disease'\]"):
        study.task("x")
    with pytest.raises(StudyError, match=r"has no stage 'x'; it has \['blind', 'revealed'\]"):
        study.task("disease").stage("x")
    with pytest.raises(StudyError, match="has no item 'x'"):
        study.item("x")


def test_complete_answers_are_kept_in_the_order_of_the_questions():
    answers = {"confidence": "3", "terms": ["granules", "chromatin"], "concept": " Auer rods ", "meaningful": "yes"}
    kept = check_answers(CONCEPT, answers)
    assert kept == {"meaningful": "yes", "concept": "Auer rods", "terms": ["chromatin", "granules"], "confidence": "3"}


def test_answers_to_questions_that_are_not_asked_are_dropped():
    answers = {"meaningful": "no", "concept": "typed before", "terms": ["granules"], "confidence": "2"}
    assert check_answers(CONCEPT, answers) == {"meaningful": "no", "confidence": "2"}


@pytest.mark.parametrize(
    ("stage", "answers", "text"),
    [
        (CONCEPT, {}, "please answer: Do these cells share"),
        (CONCEPT, {"meaningful": "yes", "confidence": "1"}, "please answer: What is it?"),
        (CONCEPT, {"meaningful": "yes", "concept": "  ", "confidence": "1"}, "please answer: What is it?"),
        (CONCEPT, {"meaningful": "no"}, "please answer: How sure"),
        (CONCEPT, {"meaningful": "maybe"}, "'maybe' is not an answer to 'meaningful'; choose one of"),
        (CONCEPT, {"meaningful": ["yes"]}, "must be text, not list"),
        (CONCEPT, {"meaningful": "yes", "concept": "x" * 301}, "has 301 characters; at most 300 fit"),
        (CONCEPT, {"meaningful": "artefact", "terms": ["dust"]}, "'dust' is not an answer to 'terms'"),
        (CONCEPT, {"mood": "good"}, "'mood' is not a question of stage 'concept'"),
        (BLIND, {"group": "NPM1", "confidence": "1"}, "'NPM1' is not an answer to 'group'"),
        (REVEALED, {"comment": "nice"}, "please answer: Disease-specific"),
    ],
)
def test_answers_that_do_not_fit_are_refused_with_the_question(stage, answers, text):
    with pytest.raises(AnswerError, match=text.replace("?", r"\?")):
        check_answers(stage, answers)


def test_empty_optional_answers_are_not_kept():
    assert check_answers(REVEALED, {"specific": "no", "concept": "", "comment": "   "}) == {"specific": "no"}


@given(
    chosen=st.lists(st.sampled_from(["a", "b", "c"]), max_size=6),
)
def test_several_choices_are_kept_once_each_in_reading_order(chosen):
    question = Question("terms", "Terms", "several", tuple(Option(value, value) for value in "abc"))
    kept = check_answers(Stage("s", "S", (question,)), {"terms": chosen})
    assert kept.get("terms", []) == sorted(set(chosen))


def test_the_blind_stage_offers_the_two_groups_and_the_second_one_reveals():
    assert BLIND.questions[0].values == (A, B, "neither", "cannot_tell")
    assert not BLIND.reveals_direction
    assert REVEALED.reveals_direction


@pytest.mark.parametrize("task", [concept_task(), disease_task(A, B)])
def test_no_two_answers_or_text_fields_of_a_stage_share_a_key(task):
    for stage in task.stages:
        keys = [option.key for question in stage.questions for option in question.options]
        keys += [question.key for question in stage.questions]
        used = [key for key in keys if key]
        assert len(set(used)) == len(used)
