"""Agreement against figures that others have published."""

from __future__ import annotations

import numpy as np
import pytest

from pipelines.reader_study.agreement import (
    bootstrap_interval,
    cohen_kappa,
    contingency,
    fleiss_kappa,
    gwet_ac1,
)

FIGURE_3 = np.array(
    [[0, 0, 0, 0, 1], [0, 0, 0, 0, 2], [0, 0, 0, 0, 1], [0, 0, 0, 0, 0], [2, 0, 0, 0, 94]]
)
"""Of Wang et al., 3D Matting (2022): 100 cases, four masks and the matte."""


def test_the_columns_are_the_first_readers_as_in_the_paper():
    first, second = [], []
    for row, column in np.argwhere(FIGURE_3):
        first += [column] * FIGURE_3[row, column]
        second += [row] * FIGURE_3[row, column]
    np.testing.assert_array_equal(contingency(first, second, 5), FIGURE_3)


def test_kappa_is_cohens():
    # Both yes 20, only the first 5 or the second 10, both no 15: 0.7 observed, 0.5 by chance.
    assert cohen_kappa([[20, 5], [10, 15]]) == pytest.approx(0.4)
    assert cohen_kappa([[7, 0], [0, 3]]) == 1


def test_kappa_says_nothing_where_nearly_all_choices_are_one_and_ac1_does():
    # Feinstein and Cicchetti 1990; Gwet 2008.
    paradox = [[118, 5], [2, 0]]
    assert cohen_kappa(paradox) == pytest.approx(-0.023, abs=1e-3)
    assert gwet_ac1(paradox) == pytest.approx(0.941, abs=1e-3)
    # So it is in the paper's own figure: 94 % of the choices are the same.
    by_chance = 0.96 * 0.98 + 0.01 * 0.02
    assert cohen_kappa(FIGURE_3) == pytest.approx((0.94 - by_chance) / (1 - by_chance))
    assert gwet_ac1(FIGURE_3) > 0.93


def test_kappa_of_many_readers_is_fleiss():
    # Ten subjects, fourteen raters, five categories: 0.210.
    counts = [
        [0, 0, 0, 0, 14], [0, 2, 6, 4, 2], [0, 0, 3, 5, 6], [0, 3, 9, 2, 0], [2, 2, 8, 1, 1],
        [7, 7, 0, 0, 0], [3, 2, 6, 3, 0], [2, 5, 3, 2, 2], [6, 5, 2, 1, 0], [0, 2, 2, 3, 7],
    ]  # fmt: skip
    assert fleiss_kappa(counts) == pytest.approx(0.210, abs=5e-4)


def test_what_is_not_defined_is_none():
    assert cohen_kappa(np.zeros((3, 3))) is None
    assert cohen_kappa([[5, 0], [0, 0]]) is None
    assert gwet_ac1([[5, 0], [0, 0]]) == 1
    assert fleiss_kappa(np.zeros((0, 3))) is None
    assert fleiss_kappa([[1, 0], [0, 1]]) is None
    with pytest.raises(ValueError, match="different numbers of readers"):
        fleiss_kappa([[2, 0], [1, 2]])


def test_the_bootstrap_covers_what_it_should_and_is_the_same_each_time():
    rng = np.random.default_rng(1)
    first = rng.integers(0, 3, 200)
    second = np.where(rng.random(200) < 0.7, first, rng.integers(0, 3, 200))
    low, high = bootstrap_interval(first, second, 3, cohen_kappa)
    assert low < cohen_kappa(contingency(first, second, 3)) < high
    assert 0.1 < high - low < 0.3
    assert bootstrap_interval(first, second, 3, cohen_kappa) == (low, high)
    assert bootstrap_interval([0, 1], [0, 1], 3, cohen_kappa) is None
