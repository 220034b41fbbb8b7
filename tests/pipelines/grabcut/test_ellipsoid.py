"""The mark's shape: all four end points on its surface, in any orientation."""

import highdicom as hd
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from pipelines.grabcut import RecistEllipsoid
from pipelines.recist import RecistAxes


def grid(rotation=None, spacing=(2.0, 0.7, 0.9), flip=1):
    affine = np.eye(4)
    affine[:3, :3] = np.array([[0, 0, spacing[2]], [0, spacing[1], 0], [flip * spacing[0], 0, 0]])
    if rotation is not None:
        affine[:3, :3] = rotation.as_matrix() @ affine[:3, :3]
    affine[:3, 3] = (-100, 50, -300)
    return hd.Volume(np.zeros((20, 60, 60), np.int16), affine, coordinate_system="PATIENT")


def axes_on(volume, long, short):
    def place(points):
        spacing = np.asarray(volume.spacing)
        return volume.map_indices_to_reference(np.asarray(points, float) / spacing)

    return RecistAxes(place(long), None if short is None else place(short))


def radius_at(ellipsoid, points):
    result = []
    for point in np.asarray(points, float):
        result.append(float(ellipsoid.radius((1, 1, 1), (1, 1, 1), tuple(point))[0, 0, 0]))
    return result


@settings(max_examples=30, deadline=None)
@given(
    cross=st.floats(0.3, 0.7),
    split=st.floats(0.3, 0.7),
    turn=st.tuples(*[st.floats(-3, 3)] * 3),
    flip=st.sampled_from([1, -1]),
)
def test_end_points_lie_on_the_surface(cross, split, turn, flip):
    volume = grid(Rotation.from_rotvec(turn), flip=flip)
    long = [(20, 20, 15), (20, 20, 35)]
    middle = 15 + 20 * cross
    short = [(20, 20 - 12 * split, middle), (20, 20 + 12 * (1 - split), middle)]
    ellipsoid = RecistEllipsoid.from_axes(axes_on(volume, long, short), volume)
    assert radius_at(ellipsoid, long + short) == pytest.approx([1] * 4, abs=1e-4)
    assert np.allclose(ellipsoid.directions @ ellipsoid.directions.T, np.eye(3))


@pytest.mark.parametrize(
    "long",
    [[(20, 20, 15), (20, 20, 35)], [(10, 20, 20), (30, 20, 20)], [(14, 13, 20), (26, 27, 20)]],
)
def test_one_axis_is_enough(long):
    volume = grid()
    ellipsoid = RecistEllipsoid.from_axes(axes_on(volume, long, None), volume)
    assert radius_at(ellipsoid, long) == pytest.approx([1, 1], abs=1e-4)
    assert ellipsoid.volume_mm3 < 4 / 3 * np.pi * (ellipsoid.long_mm / 2) ** 3


def test_axes_drawn_the_other_way_round_give_the_same_shape():
    volume = grid()
    long, short = [(20, 20, 15), (20, 20, 35)], [(20, 14, 25), (20, 26, 25)]
    one = RecistEllipsoid.from_axes(axes_on(volume, long, short), volume)
    other = RecistEllipsoid.from_axes(axes_on(volume, short, long), volume)
    assert one.volume_mm3 == pytest.approx(other.volume_mm3)


def test_a_second_axis_along_the_first_is_ignored():
    volume = grid()
    long, short = [(20, 20, 15), (20, 20, 35)], [(20, 20, 18), (20, 21, 30)]
    ellipsoid = RecistEllipsoid.from_axes(axes_on(volume, long, short), volume)
    assert ellipsoid.positive[1] == pytest.approx(0.78 * 10)


def test_the_box_holds_it():
    volume = grid(Rotation.from_rotvec((0.2, 0.4, 0.3)))
    long, short = [(20, 12, 15), (20, 28, 35)], [(20, 26, 20), (20, 17, 29)]
    axes = axes_on(volume, long, short)
    ellipsoid = RecistEllipsoid.from_axes(axes, volume)
    radius = ellipsoid.radius((80, 160, 160), (0.5, 0.5, 0.5))
    inside = np.argwhere(radius < 1) * 0.5
    assert (np.ptp(inside, axis=0) <= 2 * ellipsoid.half_extent() + 1).all()
