"""Metrics as defined: small cases by hand."""

import numpy as np
import pytest

from pipelines.metrics import dice, mse, sad, volume_error

A = np.array([1.0, 0.5, 0.0, 0.0])
G = np.array([1.0, 0.0, 0.5, 0.5])


def test_values_by_hand():
    assert dice(A >= 0.5, G >= 0.5) == pytest.approx(2 * 1 / 5)
    assert sad(A, G) == pytest.approx(1.5)
    assert mse(A, G) == pytest.approx(0.75 / 4)
    assert volume_error(A, G) == pytest.approx(-0.25)


def test_two_empty_masks_agree():
    assert dice(np.zeros(3, bool), np.zeros(3, bool)) == 1


def test_what_makes_no_sense_is_refused():
    with pytest.raises(ValueError, match="shapes"):
        sad(A, G[:3])
    with pytest.raises(ValueError, match="boolean"):
        dice(A, G)
    with pytest.raises(ValueError, match="empty"):
        volume_error(A, G * 0)
    with pytest.raises(ValueError, match="no voxel"):
        mse(A[:0], G[:0])
