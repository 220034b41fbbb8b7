"""A stack is given out when it is gap-free; else it is said what is missing or wrong."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dicomnode.collect.stack import NotYet, Slice, Unusable, stack_around
from dicomnode.marks import ImagePlane


def series(count: int = 20, spacing: float = 2.5, shear: float = 0.0) -> list[Slice]:
    return [
        Slice(
            f"1.{i}",
            ImagePlane(
                position=(-100.0, -120.0 + shear * i, 50.0 + spacing * i),
                orientation=(1, 0, 0, 0, 1, 0),
                pixel_spacing=(0.7, 0.7),
                rows=512,
                columns=512,
                frame_of_reference_uid="1.2",
            ),
            instance_number=i + 1,
        )
        for i in range(count)
    ]


def moved(one: Slice, **plane: object) -> Slice:
    return replace(one, plane=replace(one.plane, **plane))


def uids(slices) -> list[str]:
    return [s.sop_instance_uid for s in slices]


def test_the_stretch_and_one_more_on_each_side():
    slices = series()
    stack = stack_around(slices[10], slices, -6.0, 6.0, settled=False)
    assert uids(stack) == [f"1.{i}" for i in range(7, 14)]


@given(st.permutations(range(20)), st.sampled_from([1.25, -3.0]))
def test_order_of_arrival_and_direction_do_not_matter(order, spacing):
    slices = series(spacing=spacing)
    shuffled = [slices[i] for i in order]
    stack = stack_around(slices[10], shuffled, -3.0, 3.0, settled=False)
    along = [s.plane.position[2] for s in stack]
    assert along == sorted(along)
    assert slices[10] in stack


def test_a_series_that_is_still_arriving_waits():
    slices = series()
    with pytest.raises(NotYet, match="more may come"):
        stack_around(slices[1], slices, -6.0, 6.0, settled=False)
    assert uids(stack_around(slices[1], slices, -6.0, 6.0, settled=True))[0] == "1.0"


def test_every_second_slice_looks_regular_but_is_waited_for():
    slices = series()
    with pytest.raises(NotYet, match="numbered"):
        stack_around(slices[10], slices[::2], -12.0, 12.0, settled=False)
    without_numbers = [replace(s, instance_number=None) for s in slices]
    with pytest.raises(NotYet, match="numbered"):
        stack_around(without_numbers[10], without_numbers, -6.0, 6.0, settled=False)
    assert stack_around(without_numbers[10], without_numbers, -6.0, 6.0, settled=True)


@pytest.mark.parametrize("settled", [False, True])
def test_a_missing_slice_is_waited_for_even_when_settled(settled):
    slices = series()
    with pytest.raises(NotYet, match=r"1 slice\(s\) are missing"):
        stack_around(slices[10], slices[:12] + slices[13:], -8.0, 8.0, settled=settled)


def test_a_gap_outside_the_stretch_does_not_matter():
    slices = series()
    assert stack_around(slices[10], slices[:2] + slices[3:], -8.0, 8.0, settled=False)


def test_a_single_slice_is_a_stack_when_settled():
    slices = series(1)
    with pytest.raises(NotYet):
        stack_around(slices[0], slices, -3.0, 3.0, settled=False)
    assert stack_around(slices[0], slices, -3.0, 3.0, settled=True) == tuple(slices)


def test_a_tilted_gantry_is_regular():
    slices = series(shear=0.5)
    assert len(stack_around(slices[10], slices, -6.0, 6.0, settled=False)) == 7


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"position": (-100.0, -120.0, 50.0 + 2.5 * 10)}, "same position"),
        ({"position": (-100.0, -120.0, 50.0 + 2.5 * 11 + 0.8)}, "gaps differ"),
        ({"position": (-90.0, -120.0, 50.0 + 2.5 * 11)}, "gaps differ"),
        ({"orientation": (0, 1, 0, 0, 0, -1)}, "mixed orientations"),
        ({"rows": 256}, "mixed sizes"),
        ({"pixel_spacing": (0.8, 0.7)}, "mixed pixel spacing"),
    ],
)
def test_what_cannot_be_mended_is_refused(change, reason):
    slices = series()
    slices[11] = moved(slices[11], **change)
    with pytest.raises(Unusable, match=reason):
        stack_around(slices[10], slices, -8.0, 8.0, settled=True)


def test_steps_that_double_between_consecutive_numbers_are_no_missing_slice():
    slices = series()
    for i in range(11, 20):
        slices[i] = moved(slices[i], position=(-100.0, -120.0, 50.0 + 2.5 * (i + 1)))
    with pytest.raises(Unusable, match="gaps differ"):
        stack_around(slices[10], slices, -8.0, 8.0, settled=True)


@pytest.mark.parametrize("settled", [False, True])
def test_without_numbers_uneven_gaps_may_be_missing_slices(settled):
    slices = [replace(s, instance_number=None) for s in series()]
    slices[11] = moved(slices[11], position=(-100.0, -120.0, 50.0 + 2.5 * 11 + 0.8))
    with pytest.raises(NotYet, match=r"slice gaps differ.*may be missing"):
        stack_around(slices[10], slices, -8.0, 8.0, settled=settled)


@given(st.sets(st.integers(0, 19), min_size=2), st.booleans(), st.booleans())
def test_whatever_part_of_a_series_has_come_is_never_refused(present, settled, numbered):
    slices = series(shear=0.3)
    here = [slices[i] for i in sorted(present)]
    if not numbered:
        here = [replace(s, instance_number=None) for s in here]
    try:
        stack = stack_around(here[0], here, -40.0, 40.0, settled=settled)
    except NotYet:
        return
    steps = np.diff([s.plane.position for s in stack], axis=0)
    assert np.allclose(steps, steps[0])


@given(st.floats(-np.pi, np.pi), st.floats(-np.pi, np.pi), st.floats(0.5, 8.0), st.integers(3, 16))
def test_oblique_series_stack_along_their_normal(tip, turn, spacing, at):
    c, s = np.cos(tip), np.sin(tip)
    d, t = np.cos(turn), np.sin(turn)
    row = np.array([c, s, 0.0])
    column = np.array([-s * d, c * d, t])
    normal = np.cross(row, column)
    slices = [
        Slice(
            f"1.{i}",
            ImagePlane(
                position=tuple(normal * spacing * i),
                orientation=(*row, *column),
                pixel_spacing=(0.5, 0.9),
                rows=64,
                columns=64,
            ),
            i,
        )
        for i in range(20)
    ]
    stack = stack_around(slices[at], slices, -2.5 * spacing, 2.5 * spacing, settled=False)
    assert uids(stack) == [f"1.{i}" for i in range(at - 3, at + 4)]
