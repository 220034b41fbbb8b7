"""GrabCut from a mark: right on phantoms, the same bytes each time, whatever way the array runs."""

import importlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from pipelines.grabcut import RecistEllipsoid, grabcut
from pipelines.grabcut.coarse import Blocks
from pipelines.grabcut.component import nearest_component
from pipelines.grabcut.features import FEATURES, measure
from pipelines.grabcut.opinion import opinion, products
from pipelines.grabcut.opinion_weights import WEIGHTS
from pipelines.grabcut.pleura import find_pleura
from pipelines.grabcut.smooth import smooth
from pipelines.metrics import dice
from pipelines.phantom import NoduleKind, nodule_patch
from pipelines.recist import RecistAxes


def run(volume, axes, **options):
    ellipsoid = RecistEllipsoid.from_axes(axes, volume)
    spacing = tuple(float(s) for s in volume.spacing)
    return grabcut(volume.array.astype(np.float32), spacing, ellipsoid, **options)


@pytest.fixture(scope="module")
def pleural():
    return nodule_patch(NoduleKind.JUXTA_PLEURAL, 14, (2.0, 0.8, 0.8), seed=5)


@pytest.mark.parametrize("kind", NoduleKind)
def test_phantoms_of_every_kind(kind):
    patch = nodule_patch(kind, 14, (1.25, 0.7, 0.7), seed=11)
    truth = patch.occupancy.array >= 0.5
    cut = run(patch.volume, patch.axes)
    assert cut.found
    assert dice(cut.mask, truth) > 0.9
    assert dice(run(patch.volume, RecistAxes(patch.axes.long_axis)).mask, truth) > 0.85


def test_the_probability_is_one(pleural):
    cut = run(pleural.volume, pleural.axes)
    assert cut.probability.dtype == np.float32
    assert cut.probability.min() >= 0
    assert cut.probability.max() <= 1
    assert cut.probability[cut.mask].mean() > 0.7
    assert cut.probability[~cut.mask].mean() < 0.1


def test_the_same_input_gives_the_same_bytes(pleural):
    one, two = (run(pleural.volume, pleural.axes) for _ in range(2))
    assert one.mask.tobytes() == two.mask.tobytes()
    assert one.probability.tobytes() == two.probability.tobytes()


@pytest.mark.parametrize("flipped", [(0,), (1,), (2,), (0, 1, 2)])
def test_flips_commute(pleural, flipped):
    one = run(pleural.volume, pleural.axes)
    other = run(pleural.volume.flip_spatial(flipped), pleural.axes)
    assert np.abs(np.flip(other.probability, flipped) - one.probability).max() < 0.02
    assert dice(np.flip(other.mask, flipped), one.mask) > 0.995


@pytest.mark.parametrize("order", [(1, 0, 2), (2, 0, 1), (2, 1, 0)])
def test_permutations_commute(pleural, order):
    one = run(pleural.volume, pleural.axes)
    other = run(pleural.volume.permute_spatial_axes(order), pleural.axes)
    back = np.argsort(order)
    assert np.abs(other.probability.transpose(back) - one.probability).max() < 0.02
    assert dice(other.mask.transpose(back), one.mask) > 0.995


def test_a_lesion_of_many_voxels_goes_by_blocks():
    patch = nodule_patch(NoduleKind.SOLID, 45, (1.0, 0.6, 0.6), seed=3)
    cut = run(patch.volume, patch.axes)
    assert cut.mask.shape == cut.probability.shape == patch.volume.spatial_shape
    assert dice(cut.mask, patch.occupancy.array >= 0.5) > 0.93


def test_blocks_lie_where_their_voxels_do():
    blocks = Blocks.for_count(10_000, (2.0, 0.7, 0.7), 1000)
    shape = (4, 12, 12)
    place = np.broadcast_to(np.arange(12) * 0.7 + 3.0, shape)
    means = blocks.means(place)
    step, first = blocks.spacing((2.0, 0.7, 0.7))[2], blocks.offset((0, 0, 3.0 / 0.7))[2] * 0.7
    assert means[0, 0, 1] - means[0, 0, 0] == pytest.approx(step)
    assert means[0, 0, 0] == pytest.approx(first * blocks.factors[2], abs=1e-5)


def test_the_pleura_divides_wall_from_lung_and_lesion():
    patch = nodule_patch(NoduleKind.JUXTA_PLEURAL, 16, (1.25, 0.7, 0.7), seed=2, noise_hu=10)
    ellipsoid = RecistEllipsoid.from_axes(patch.axes, patch.volume)
    spacing = tuple(float(s) for s in patch.volume.spacing)
    shape = patch.volume.spatial_shape
    radius = ellipsoid.radius(shape, spacing)
    centre = ellipsoid.centre / np.asarray(spacing)
    hu = smooth(patch.volume.array.astype(np.float32), spacing, 0.7)
    pleura = find_pleura(hu, spacing, radius, centre, ellipsoid.directions)
    assert pleura is not None
    places = np.ogrid[tuple(slice(0, n) for n in shape)]
    places = tuple((p - c) * s for p, c, s in zip(places, centre, spacing, strict=True))
    depth = pleura.behind_mm(places)
    truth = patch.occupancy.array
    outside = (hu > -400) & (radius > 1.3) & (radius < 1.6) & (truth == 0)
    lung = (hu < -600) & (radius < 1.6)
    assert (depth[outside] > -1.5).mean() > 0.9
    assert (depth[lung] < 1.5).mean() > 0.9
    assert (depth[truth > 0.9] < 1.5).mean() > 0.9


@pytest.mark.parametrize("kind", [NoduleKind.SOLID, NoduleKind.VESSEL_ATTACHED])
def test_no_pleura_is_claimed_where_none_is(kind):
    patch = nodule_patch(kind, 14, (1.25, 0.7, 0.7), seed=2)
    assert not run(patch.volume, patch.axes).pleura


def test_the_weights_are_those_of_the_products():
    assert len(WEIGHTS) == 1 + len(FEATURES) + len(FEATURES) * (len(FEATURES) + 1) // 2
    features = np.random.default_rng(0).normal(size=(150, len(FEATURES))).astype(np.float32)
    slow = products(features).astype(np.float64) @ np.array(WEIGHTS)
    assert opinion(features, 4.0) == pytest.approx(slow, abs=1e-3)
    halfway = opinion(features, float(np.sqrt(13 * 20)))
    assert halfway == pytest.approx((slow + opinion(features, 30.0)) / 2, abs=1e-3)


def test_features_are_finite_on_any_noise(pleural):
    rng = np.random.default_rng(3)
    ellipsoid = RecistEllipsoid.from_axes(pleural.axes, pleural.volume)
    for shape in ((1, 9, 9), (3, 1, 7), (5, 6, 1), (1, 1, 1)):
        image = rng.normal(-400, 400, shape).astype(np.float32)
        offset = tuple(
            int(c / s) - n // 2
            for c, s, n in zip(ellipsoid.centre, (2, 0.8, 0.8), shape, strict=True)
        )
        radius = ellipsoid.radius(shape, (2.0, 0.8, 0.8), offset)
        wanted = np.ones(shape, bool)
        found = measure(image, (2.0, 0.8, 0.8), ellipsoid, offset, radius, wanted)
        assert np.isfinite(found.features).all()
        assert grabcut(image, (2.0, 0.8, 0.8), ellipsoid, offset).mask.any()


@settings(max_examples=20, deadline=None)
@given(
    seed=st.integers(0, 1000),
    shape=st.tuples(*[st.integers(1, 14)] * 3),
    sigma=st.sampled_from([0.4, 0.7, 1.5]),
)
def test_smoothing_is_scipys(seed, shape, sigma):
    spacing = (1.7, 0.7, 0.9)
    image = np.random.default_rng(seed).normal(size=shape).astype(np.float32)
    expected = image
    for axis, step in enumerate(spacing):
        reach = int(3 * sigma / step + 0.5)
        if reach and shape[axis] > 1:
            expected = ndimage.gaussian_filter1d(
                expected, sigma / step, axis, mode="nearest", radius=reach
            )
    assert smooth(image, spacing, sigma) == pytest.approx(expected, abs=1e-4)


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10_000), shape=st.tuples(*[st.integers(1, 9)] * 3))
def test_the_component_is_the_nearest(seed, shape):
    rng = np.random.default_rng(seed)
    mask = rng.random(shape) < 0.5
    radius = rng.permutation(int(np.prod(shape))).reshape(shape).astype(np.float32)
    found = nearest_component(mask, radius)
    labels, _ = ndimage.label(mask)
    if not mask.any():
        assert not found.any()
        return
    nearest = labels.flat[int(np.argmin(np.where(mask, radius, np.inf)))]
    assert (found == (labels == nearest)).all()


def test_a_cut_on_blocks_is_one_component_and_never_empty(monkeypatch):
    module = importlib.import_module("pipelines.grabcut.grabcut")  # the name is the function's, too
    monkeypatch.setattr(module, "_MOST_NODES", 400)
    patch = nodule_patch(NoduleKind.SOLID, 14, seed=2)
    spacing = tuple(float(s) for s in patch.volume.spacing)
    ellipsoid = RecistEllipsoid.from_axes(patch.axes, patch.volume)
    hu = patch.volume.array.astype(np.float32)
    for image in (hu, np.full_like(hu, -860)):
        cut = grabcut(image, spacing, ellipsoid)
        assert cut.mask.any()
        assert ndimage.label(cut.mask)[1] == 1
