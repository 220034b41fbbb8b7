"""Voxels in the patient's directions, however the CT was taken."""

from __future__ import annotations

import itertools

import highdicom as hd
import numpy as np
import pytest

from dicomnode.web.lesion.patient_grid import PatientGrid
from pipelines.soft_mask import SoftMask

PAIRS = ("HF", "PA", "LR")
OFFSET = (4, 5, 6)
ALL = [
    "".join(letters)
    for order in itertools.permutations(PAIRS)
    for letters in itertools.product(*order)
]


def mask_of(directions: str) -> SoftMask:
    alpha = hd.Volume.from_components(
        np.random.default_rng(1).random((3, 4, 5), np.float32),
        spacing=(2.0, 0.5, 0.7),
        coordinate_system="PATIENT",
        position=(10.0, -20.0, 30.0),
        patient_orientation=directions,
        frame_of_reference_uid="1.2.3",
    )
    trimap = alpha.with_array((alpha.array * 3).astype(np.uint8).clip(0, 2))
    return SoftMask(alpha, trimap, "drawn", offset=OFFSET)


def turned(array: np.ndarray, directions: str) -> np.ndarray:
    """By hand: towards the head, the back, the left."""
    order = [next(i for i, d in enumerate(directions) if d in pair) for pair in PAIRS]
    flipped = [i for i, pair in zip(order, PAIRS, strict=True) if directions[i] != pair[0]]
    return np.flip(array, flipped).transpose(order)


@pytest.mark.parametrize("directions", ALL)
def test_arrays_are_turned_and_turned_back(directions):
    mask = mask_of(directions)
    grid = PatientGrid(mask)
    placed = grid.place(mask.alpha.array, OFFSET)
    assert placed.offset == (0, 0, 0)
    np.testing.assert_array_equal(placed.array, turned(mask.alpha.array, directions))
    np.testing.assert_array_equal(grid.back(placed.array), mask.alpha.array)
    assert grid.slice_axis == next(i for i, pair in enumerate(PAIRS) if directions[0] in pair)


@pytest.mark.parametrize("directions", ["HPL", "FAR", "PFL", "LPH"])
def test_a_larger_crop_lies_around_the_mask_on_the_same_lattice(directions):
    mask = mask_of(directions)
    grid = PatientGrid(mask)
    larger = np.zeros((9, 12, 14), np.int16)
    first = (1, 3, 2)
    voxel = (2, 1, 3)
    larger[tuple(np.add(OFFSET, voxel) - first)] = 7
    placed = grid.place(larger, first)
    (there,) = np.argwhere(placed.array == 7) + placed.offset
    np.testing.assert_allclose(grid.points([np.add(OFFSET, voxel)])[0], there)
    in_space = mask.alpha.map_indices_to_reference(np.array([voxel], float))
    np.testing.assert_allclose(grid.points_in_space(in_space)[0], there, atol=1e-9)


def test_an_array_of_another_shape_is_not_turned_back():
    with pytest.raises(ValueError, match="found shape"):
        PatientGrid(mask_of("HPL")).back(np.zeros((2, 2, 2)))
