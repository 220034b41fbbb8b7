"""Frames can be put in the order of the slices, and keep what they hold and where they lie."""

from __future__ import annotations

import numpy as np
import pytest

from dicomnode.results.frame_order import order_along_normal
from dicomnode.results.parametric_map import ParametricMapSettings, parametric_map
from dicomnode.testcard.card import card


def by_position(made) -> dict[float, np.ndarray]:
    values = np.frombuffer(made.FloatPixelData, "<f4").reshape(made.NumberOfFrames, -1)
    return dict(zip(positions(made), values.copy(), strict=True))


def positions(made) -> list[float]:
    frames = made.PerFrameFunctionalGroupsSequence
    return [float(frame.PlanePositionSequence[0].ImagePositionPatient[2]) for frame in frames]


def shuffle(made) -> None:
    values = np.frombuffer(made.FloatPixelData, "<f4").reshape(made.NumberOfFrames, -1)
    frames = list(made.PerFrameFunctionalGroupsSequence)
    order = np.random.default_rng(1).permutation(len(frames))
    made.FloatPixelData = values[order].tobytes()
    made.PerFrameFunctionalGroupsSequence = [frames[i] for i in order]


@pytest.mark.parametrize("omit", [True, False])
def test_frames_run_from_the_feet_to_the_head_and_hold_what_they_held(omit):
    made = parametric_map(card().lesions[1], ParametricMapSettings(omit_empty_frames=omit))
    shuffle(made)
    assert positions(made) != sorted(positions(made))
    before = by_position(made)
    order_along_normal(made)
    assert positions(made) == sorted(before)
    after = by_position(made)
    assert all(np.array_equal(before[place], after[place]) for place in before)
    frames = made.PerFrameFunctionalGroupsSequence
    indices = [frame.FrameContentSequence[0].DimensionIndexValues for frame in frames]
    assert indices == list(range(1, len(frames) + 1))
