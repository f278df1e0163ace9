"""Patients have the documented mixtures within sampling error, and differ from each other."""

from collections import Counter

import numpy as np
import pytest

from cytosae_core.errors import ConfigError
from cytosae_core.images.sources import HEHR_GROUPS
from cytosae_core.simulated.synthetic import CELL_TYPES, MIXTURES, make_patient, sample_patient_cell

CONCENTRATION = 60


def test_the_groups_are_those_of_the_published_cohort():
    assert set(MIXTURES) == set(HEHR_GROUPS)


@pytest.mark.parametrize("group", MIXTURES)
def test_shares_of_a_mixture_sum_to_one_over_types_that_can_be_rendered(group):
    assert sum(MIXTURES[group].values()) == pytest.approx(1)
    assert set(MIXTURES[group]) <= set(CELL_TYPES)


@pytest.mark.parametrize("group", MIXTURES)
def test_mean_shares_follow_the_documented_mixture_within_sampling_error(group):
    n_patients, n_cells = 40, 50
    counts = Counter()
    for index in range(n_patients):
        patient = make_patient(group, index, seed=5)
        counts.update(sample_patient_cell(patient, number)[0].cell_type for number in range(n_cells))
    for cell_type, share in MIXTURES[group].items():
        found = counts[cell_type] / (n_patients * n_cells)
        # variance between patients (Dirichlet) and of rendering cells
        variance = share * (1 - share) * (1 / (CONCENTRATION + 1) + 1 / n_cells) / n_patients
        assert abs(found - share) < 4.5 * np.sqrt(variance), cell_type


def test_patients_of_one_group_differ():
    patients = [make_patient("NPM1", index, seed=5) for index in range(12)]
    cups = [patient.shares["myeloblast_cup_like"] for patient in patients]
    assert 0.02 < np.std(cups) < 0.12
    assert len({patient.basophilia for patient in patients}) == 12


def test_a_cell_does_not_depend_on_how_many_cells_were_rendered_before():
    patient = make_patient("control", 3, seed=5)
    later = [sample_patient_cell(patient, number) for number in range(6)][5]
    assert sample_patient_cell(make_patient("control", 3, seed=5), 5) == later


def test_an_unknown_group_is_refused():
    with pytest.raises(ConfigError, match="no group 'ALL': choose one of CBFB_MYH11"):
        make_patient("ALL", 1, 0)
