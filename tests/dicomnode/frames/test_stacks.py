"""Frames are parted into stacks by what they are, and by time and the rest only where needed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dicomnode.frames import Frame, split_into_stacks
from dicomnode.marks import ImagePlane

AXIAL = (1, 0, 0, 0, 1, 0)
CORONAL = (1, 0, 0, 0, 0, -1)


def frame(number: int, z: float, *parts: object, orientation=AXIAL, **more) -> Frame:
    plane = ImagePlane((0, 0, z), orientation, (0.8, 0.8), 64, 64, "1.2.9", 2.0)
    return Frame("1.2.3", number, plane, parts=parts, **more)


def stacks(frames: list[Frame]) -> list[set[int]]:
    return sorted(({f.number for f in stack} for stack in split_into_stacks(frames)), key=min)


def test_one_volume_is_one_stack():
    assert stacks([frame(i, 2.0 * i, "a", 1) for i in range(5)]) == [set(range(5))]


@pytest.mark.parametrize(
    "difference",
    [
        {"orientation": CORONAL},
        {"kernel": "SHARP"},
        {"stack_id": "2"},
        {"frame_type": ("DERIVED", "PRIMARY", "VOLUME", "MAXIMUM")},
        {"technique": "MAX_IP"},
    ],
)
def test_what_is_of_another_kind_is_another_stack(difference):
    first = [frame(i, 2.0 * i) for i in range(3)]
    # Beside the others, not among them: that alone keeps them apart.
    second = [frame(10 + i, 6.0 + 2.0 * i, **difference) for i in range(3)]
    assert stacks(first + second) == [{0, 1, 2}, {10, 11, 12}]


def test_phases_at_one_place_are_stacks():
    frames = [frame(10 * t + i, 2.0 * i, "a", t) for i in range(4) for t in (1, 2, 3)]
    assert stacks(frames) == [{10, 11, 12, 13}, {20, 21, 22, 23}, {30, 31, 32, 33}]


def test_phases_between_each_other_are_stacks():
    """Every second slice belongs to the other phase: together they would look even."""
    frames = [frame(i, float(i), "a", i % 2) for i in range(8)]
    assert stacks(frames) == [{0, 2, 4, 6}, {1, 3, 5, 7}]


def test_times_along_one_volume_are_one_stack():
    frames = [frame(i, 2.0 * i, "a", i // 4) for i in range(12)]
    assert stacks(frames) == [set(range(12))]


def test_a_time_of_its_own_for_each_frame_parts_nothing():
    assert stacks([frame(i, 2.0 * i, "a", i) for i in range(6)]) == [set(range(6))]


def test_two_frames_at_one_place_that_nothing_tells_apart_stay_together():
    frames = [frame(i, 2.0 * (i // 2), "a", i) for i in range(6)]
    assert stacks(frames) == [set(range(6))]


def test_a_film_of_one_slice_is_a_stack_for_each_moment():
    assert stacks([frame(i, 4.0, "a", i) for i in range(3)]) == [{0}, {1}, {2}]


def test_objects_side_by_side_are_one_stack_and_overlapping_ones_are_not():
    beside = [frame(i, 2.0 * i, "a" if i < 4 else "b") for i in range(8)]
    assert stacks(beside) == [set(range(8))]
    over = [frame(i, 2.0 * (i % 4), "a" if i < 4 else "b") for i in range(8)]
    assert stacks(over) == [{0, 1, 2, 3}, {4, 5, 6, 7}]


def test_a_frame_without_place_is_in_no_stack():
    assert stacks([frame(1, 0.0), Frame("1.2.3", 2, None), frame(3, 2.0)]) == [{1, 3}]


@given(
    st.lists(st.tuples(st.integers(0, 6), st.integers(0, 2), st.sampled_from("ab")), max_size=24)
)
def test_every_placed_frame_is_in_one_stack(places):
    frames = [frame(i, 2.0 * z, name, time) for i, (z, time, name) in enumerate(places)]
    found = [f.number for stack in split_into_stacks(frames) for f in stack]
    assert sorted(found) == list(range(len(frames)))
