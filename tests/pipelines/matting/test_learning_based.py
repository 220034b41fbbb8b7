"""Learning-based matting: the paper's ridge regression, and what it shares with closed form."""

import numpy as np
import pytest

from pipelines.errors import UnknownParameterError
from pipelines.matting.closed_form import closed_form
from pipelines.matting.learning_based import learning_based
from tests.pipelines.matting.test_closed_form import random_case
from tests.pipelines.matting.test_window_laplacian import assembled


@pytest.mark.parametrize("shape", [(5, 6, 5), (1, 8, 7), (7, 8)])
def test_alpha_agrees_with_a_direct_solution(shape):
    image, trimap = random_case(2, shape)
    matrix = assembled((image + 1000) / 1400, 3, learning=True)
    unknown = (trimap == 1).ravel()
    known = (trimap == 2).ravel().astype(float)
    solution = np.linalg.solve(matrix[np.ix_(unknown, unknown)], -(matrix @ known)[unknown])
    alpha = learning_based(image, trimap, (1.0,) * len(shape), tolerance=1e-12, dtype=np.float64)
    assert np.abs(alpha.ravel()[unknown] - np.clip(solution, 0, 1)).max() < 1e-6


def test_with_a_small_ridge_it_is_closed_form_and_with_a_large_one_it_is_not():
    image, trimap = random_case(3, (6, 7, 9))
    reference = closed_form(image, trimap, (1, 1, 1), tolerance=1e-9, dtype=np.float64)
    options = {"tolerance": 1e-9, "dtype": np.float64}
    small = learning_based(image, trimap, (1, 1, 1), ridge=1e-9, **options)
    large = learning_based(image, trimap, (1, 1, 1), ridge=1.0, **options)
    assert np.abs(small - reference).max() < 1e-3
    assert np.abs(large - reference).max() > 0.05


def test_a_ridge_must_be_positive():
    with pytest.raises(UnknownParameterError, match="ridge: found 0"):
        learning_based(*random_case(1, (3, 4, 5)), (1, 1, 1), ridge=0)
