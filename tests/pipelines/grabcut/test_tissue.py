"""The look at tissue: it tells a mass from an organ beside it, and is silent where it cannot."""

import importlib

import highdicom as hd
import numpy as np
import pytest

from pipelines.grabcut import RecistEllipsoid, grabcut
from pipelines.grabcut.tissue import tissue_log_odds, tissue_share
from pipelines.longest_axes import axes_from_mask
from pipelines.metrics import dice
from pipelines.phantom import NoduleKind, nodule_patch

SPACING = (3.0, 1.6, 1.6)
MASS_HU, NOISE_HU, RADIUS_MM, ORGAN_FROM_MM = 40.0, 15.0, 25.0, 9.0


def _scene(organ_hu=None, hole_hu=None):
    """A mass in lung; an organ may cut it off below, or a hole lie above its marked slice."""
    shape = (31, 57, 57)
    z, y, x = np.meshgrid(
        *[(np.arange(n) - n // 2) * s for n, s in zip(shape, SPACING, strict=True)], indexing="ij"
    )
    mass = z**2 + y**2 + x**2 < RADIUS_MM**2
    image = np.full(shape, -850.0)
    image[mass] = MASS_HU
    organ = np.zeros(shape, bool)
    if organ_hu is not None:
        organ = z > ORGAN_FROM_MM
        image[organ] = organ_hu
        mass = mass & ~organ
    hole = (z + 14) ** 2 + y**2 + x**2 < 8**2
    if hole_hu is not None:
        image[hole] = hole_hu
    image += np.random.default_rng(3).normal(0, NOISE_HU, shape)
    affine = np.zeros((4, 4))
    affine[2, 0], affine[1, 1], affine[0, 2], affine[3, 3] = *SPACING, 1
    volume = hd.Volume(image.astype(np.float32), affine, coordinate_system="PATIENT")
    return volume, mass, organ, hole


def _evidence(volume, mass):
    ellipsoid = RecistEllipsoid.from_axes(axes_from_mask(mass, volume), volume)
    radius = ellipsoid.radius(volume.array.shape, SPACING)
    return tissue_log_odds(volume.array, SPACING, ellipsoid, (0, 0, 0), radius), radius


def test_it_counts_for_large_marks_alone():
    def share(diameter):
        patch = nodule_patch(NoduleKind.SOLID, diameter, (2.0, 1.0, 1.0), seed=2)
        return tissue_share(RecistEllipsoid.from_axes(patch.axes, patch.volume))

    assert share(20) == 0
    assert 0 < share(33) < 1
    assert share(50) == 1


def test_small_marks_do_not_even_ask(monkeypatch):
    def asked(*_):
        raise AssertionError("asked for tissue")

    module = importlib.import_module(grabcut.__module__)
    monkeypatch.setattr(module, "tissue_log_odds", asked)
    small = nodule_patch(NoduleKind.JUXTA_PLEURAL, 16, (2.0, 0.8, 0.8), seed=5)
    ellipsoid = RecistEllipsoid.from_axes(small.axes, small.volume)
    grabcut(small.volume.array.astype(np.float32), (2.0, 0.8, 0.8), ellipsoid)
    volume, mass, _, _ = _scene(80)
    ellipsoid = RecistEllipsoid.from_axes(axes_from_mask(mass, volume), volume)
    with pytest.raises(AssertionError, match="asked"):
        grabcut(volume.array, SPACING, ellipsoid)


@pytest.mark.parametrize("organ_hu", [10.0, 75.0])
def test_an_organ_of_other_hu_is_told_from_the_mass(organ_hu):
    volume, mass, organ, _ = _scene(organ_hu)
    found, radius = _evidence(volume, mass)
    assert found.dtype == np.float32
    assert found.min() >= -8
    assert found.max() <= 2
    z = (np.arange(31) - 15)[:, None, None] * SPACING[0]
    assert np.median(found[organ & (radius < 1) & (z > ORGAN_FROM_MM + 6)]) < -2
    assert np.median(found[mass & (radius < 0.8) & (z < ORGAN_FROM_MM - 6)]) > 0.5


@pytest.mark.parametrize("organ_hu", [10.0, 75.0])
def test_the_cut_ends_where_the_organ_begins(organ_hu, monkeypatch):
    volume, mass, organ, _ = _scene(organ_hu)
    ellipsoid = RecistEllipsoid.from_axes(axes_from_mask(mass, volume), volume)
    looked = grabcut(volume.array, SPACING, ellipsoid).mask
    monkeypatch.setattr(
        importlib.import_module(grabcut.__module__), "tissue_share", lambda ellipsoid: 0.0
    )
    blind = grabcut(volume.array, SPACING, ellipsoid).mask
    assert np.count_nonzero(looked & organ) < 0.5 * np.count_nonzero(blind & organ)
    assert dice(looked, mass) > dice(blind, mass)
    assert dice(looked, mass) > 0.93


def test_it_says_little_of_an_organ_just_like_the_mass():
    volume, mass, organ, _ = _scene(MASS_HU)
    found, radius = _evidence(volume, mass)
    # The mass's own density is blurred more, so likeness itself counts a little against it.
    assert abs(np.median(found[organ & (radius < 1)])) < 0.8


def test_a_tissue_that_neither_shows_is_not_held_against_the_mass():
    volume, mass, _, hole = _scene(organ_hu=75.0, hole_hu=5.0)
    found, _ = _evidence(volume, mass)
    assert np.median(found[hole]) > -0.5


def test_lung_says_nothing_and_a_mass_in_lung_alone_has_no_neighbour():
    volume, mass, _, _ = _scene(80)
    found, _ = _evidence(volume, mass)
    # Where mass and organ meet in a wedge a voxel of lung is smoothed away.
    assert np.mean(found[volume.array < -500] != 0) < 1e-3
    alone, mass, _, _ = _scene()
    assert _evidence(alone, mass)[0] is None


@pytest.mark.parametrize("axis", range(3))
def test_it_turns_with_the_array(axis):
    volume, mass, _, _ = _scene(75.0)
    ellipsoid = RecistEllipsoid.from_axes(axes_from_mask(mass, volume), volume)
    radius = ellipsoid.radius(mass.shape, SPACING)
    one = tissue_log_odds(volume.array, SPACING, ellipsoid, (0, 0, 0), radius)
    mirror = np.ones(3)
    mirror[axis] = -1
    end = np.zeros(3)
    end[axis] = (mass.shape[axis] - 1) * SPACING[axis]
    turned = RecistEllipsoid(
        ellipsoid.centre * mirror + end,
        ellipsoid.directions * mirror,
        ellipsoid.positive,
        ellipsoid.negative,
    )
    image, radius = np.flip(volume.array, axis).copy(), np.flip(radius, axis).copy()
    two = tissue_log_odds(image, SPACING, turned, (0, 0, 0), radius)
    # A mean on the edge of a bin may fall on its other side by rounding.
    assert np.mean(np.abs(np.flip(two, axis) - one) > 1e-3) < 1e-3
