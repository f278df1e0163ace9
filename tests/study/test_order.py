import dataclasses
from itertools import groupby

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cytosae_core.errors import StudyError
from cytosae_core.study.order import MIN_GAP, check_items, sampled_order
from cytosae_core.study.protocol import seal
from tests.study.tiny_study import concept_item, tiny_study

CODES = st.text("ABCabc019", min_size=1, max_size=6)


@st.composite
def studies(draw):
    n_blocks, n_per_block = draw(st.integers(1, 8)), draw(st.integers(1, 12))
    return tiny_study(
        n_blocks=n_blocks,
        n_per_block=n_per_block,
        n_repeats=draw(st.integers(0, min(10, n_blocks * n_per_block))),
        n_decoys=draw(st.integers(0, 8)),
        n_training=draw(st.integers(0, 4)),
        n_disease=0,
        seed=draw(st.integers(0, 2**32)),
    )


@settings(deadline=None, max_examples=60)
@given(studies(), CODES)
def test_the_order_is_a_permutation_of_the_items_of_the_task(study, code):
    assert sorted(sampled_order(study, "concept", code)) == sorted(item.item_id for item in study.items)


@settings(deadline=None, max_examples=60)
@given(studies(), CODES)
def test_the_same_seed_and_rater_give_the_same_order(study, code):
    assert sampled_order(study, "concept", code) == sampled_order(study, "concept", code)


@settings(deadline=None, max_examples=60)
@given(studies(), CODES)
def test_without_its_repeats_every_block_is_contiguous_and_training_comes_first(study, code):
    items = [study.item(item_id) for item_id in sampled_order(study, "concept", code)]
    n_training = sum(item.role == "training" for item in items)
    assert all(item.role == "training" for item in items[:n_training])
    blocks = [item.block for item in items[n_training:] if item.role != "repeat"]
    runs = [block for block, _ in groupby(blocks)]
    assert len(runs) == len(set(runs))


def gap(order, study, repeat):
    return abs(order.index(repeat.item_id) - order.index(repeat.repeat_of))


@settings(deadline=None, max_examples=60)
@given(studies(), CODES)
def test_repeats_are_as_far_from_their_originals_as_asked_wherever_that_is_possible(study, code):
    order = sampled_order(study, "concept", code)
    n_others = sum(item.role in ("main", "decoy") for item in study.items)
    # With n other items somebody can always be put n / 2 or more from any of them.
    possible = min(MIN_GAP, (n_others + 1) // 2)
    assert all(gap(order, study, item) >= possible for item in study.items if item.role == "repeat")


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 10**6), CODES)
def test_in_a_study_of_the_usual_size_all_repeats_are_fifteen_items_apart(seed, code):
    study = tiny_study(n_blocks=5, n_per_block=10, n_repeats=5, n_decoys=6, n_training=3, n_disease=0, seed=seed)
    order = sampled_order(study, "concept", code)
    assert all(gap(order, study, item) >= 15 for item in study.items if item.role == "repeat")


def test_raters_seeds_and_tasks_differ_in_their_orders():
    study = tiny_study()
    orders = {sampled_order(tiny_study(seed=seed), "concept", code) for seed in range(5) for code in ("R01", "R02")}
    assert len(orders) == 10
    assert set(sampled_order(study, "disease", "R01")).isdisjoint(sampled_order(study, "concept", "R01"))


def test_every_place_of_a_block_is_taken_by_every_item_sooner_or_later():
    study = tiny_study(n_blocks=3, n_per_block=1, n_repeats=0, n_decoys=0, n_training=0, n_disease=0)
    orders = [sampled_order(study, "concept", f"R{k}") for k in range(200)]
    firsts = [sum(order[0] == item.item_id for order in orders) for item in study.items]
    # Binomial(200, 1/3): mean 67, standard deviation 6.7; the choice is fixed, so this cannot flicker.
    assert all(47 < n < 87 for n in firsts)


def test_the_order_of_a_known_study_never_changes():
    study = tiny_study(n_blocks=2, n_per_block=2, n_repeats=0, n_decoys=0, n_training=1, n_disease=0, seed=1)
    assert sampled_order(study, "concept", "R01") == ("t00", "c0101", "c0100", "c0001", "c0000")


def test_the_order_of_a_study_of_the_first_format_never_changes():
    study = seal(dataclasses.replace(tiny_study(), format_version=1), "tiny")
    assert study.study_id == "tiny-6b802b9f1024"
    order = " ".join(sampled_order(study, "concept", "R01"))
    assert order == (
        "t00 r01 c0102 c0101 c0100 c0103 c0104 d01 c0003 d00 c0000 c0004 c0002 c0001 c0202 c0204 c0201 c0203 c0200 "
        "c0300 c0304 c0303 c0302 c0301 r00"
    )


def test_a_repeat_comes_before_its_original_as_often_as_after_it():
    study = tiny_study(n_blocks=6, n_per_block=10, n_repeats=5, n_decoys=0, n_training=0, n_disease=0)
    orders = [sampled_order(study, "concept", f"R{number}") for number in range(200)]
    repeats = [item for item in study.items if item.role == "repeat"]
    n_after = sum(order.index(item.item_id) > order.index(item.repeat_of) for order in orders for item in repeats)
    places = [order.index(item.item_id) for order in orders for item in repeats]
    # Binomial(1000, 1/2): standard deviation 16; the mean place of 1000 among 65 has one of about 0.6.
    assert 430 < n_after < 570
    assert 30 < sum(places) / len(places) < 34


def test_nobody_can_make_an_order_again_without_the_salt():
    study = seal(dataclasses.replace(tiny_study(), salt="5a" * 32), "tiny")
    bare = dataclasses.replace(study, salt="")
    assert sampled_order(study, "concept", "R01") == sampled_order(study, "concept", "R01")
    assert sampled_order(study, "concept", "R01") != sampled_order(bare, "concept", "R01")


@pytest.mark.parametrize(
    ("item", "text"),
    [
        (concept_item("c0000", "main", 0), "item ids must be unique, but .*c0000"),
        (concept_item("new", "repeat", 0), "'new' has role 'repeat' and repeats None"),
        (concept_item("new", "repeat", 0, repeat_of="elsewhere"), "repeats 'elsewhere'"),
        (concept_item("new", "repeat", 0, repeat_of="r00"), "repeats 'r00'"),
        (concept_item("new", "repeat", 0, repeat_of="x00"), "repeats 'x00'"),
        (concept_item("new", "main", 0, repeat_of="c0000"), "role 'main' and repeats 'c0000'"),
        (dataclasses.replace(concept_item("new", "main", 0), task_id="else"), "no task 'else'"),
    ],
)
def test_items_that_contradict_each_other_are_refused(item, text):
    study = tiny_study()
    with pytest.raises(StudyError, match=text):
        check_items(seal(dataclasses.replace(study, items=(*study.items, item)), "tiny"))


def test_a_study_without_items_is_refused():
    with pytest.raises(StudyError, match="has no items"):
        check_items(dataclasses.replace(tiny_study(), items=()))
