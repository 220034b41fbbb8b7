"""Density-weighted variants: alpha follows HU in the foreground, the rest is the method's."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.errors import SegmentationError, UnknownParameterError
from pipelines.matting.closed_form import closed_form
from pipelines.matting.density_weighted import density_weighted, foreground_alpha
from pipelines.matting.knn import knn

NAMES = ["linear", "smoothstep", "square-root", "square"]
HU = st.lists(st.integers(-2000, 3000), min_size=2, max_size=50)


def test_the_papers_mapping():
    alpha = foreground_alpha(np.array([-3024, -1350, -600, 150, 2000], np.int16))
    assert alpha.tolist() == [0, 0, 0.5, 1, 1]
    assert alpha.dtype == np.float32


@pytest.mark.parametrize("below", NAMES)
@given(hu=HU)
def test_alpha_rises_with_density_within_zero_and_one(below, hu):
    alpha = foreground_alpha(np.sort(hu), (-160, 240), below=below)
    assert (np.diff(alpha) >= 0).all()
    assert alpha.min() >= 0
    assert alpha.max() <= 1


@pytest.mark.parametrize("above", NAMES)
@given(hu=HU)
def test_alpha_falls_beyond_what_is_pure(above, hu):
    hu = np.sort(hu)
    alpha = foreground_alpha(hu, (-160, 240), above=above, pure_up_to=500, zero_at=900)
    assert (np.diff(alpha[hu >= 240]) <= 0).all()
    assert (alpha[(hu >= 240) & (hu <= 500)] == 1).all()
    assert (alpha[hu >= 900] == 0).all()


def scene():
    image = np.broadcast_to(np.linspace(-900, 0, 21), (3, 5, 21)).copy()
    trimap = np.ones(image.shape, np.uint8)
    trimap[..., :3], trimap[..., -3:] = 0, 2
    return image, trimap


@pytest.mark.parametrize("method", [closed_form, knn])
def test_a_variant_is_the_method_with_the_foregrounds_density(method):
    image, trimap = scene()
    alpha = density_weighted(method)(image, trimap, (1, 1, 1))
    density = foreground_alpha(image)
    assert (alpha == method(image, trimap, (1, 1, 1), foreground=density)).all()
    assert (alpha[trimap == 2] == density[trimap == 2]).all()
    assert (alpha[trimap == 0] == 0).all()
    assert (alpha <= method(image, trimap, (1, 1, 1)) + 1e-4).all()


def test_parameters_reach_the_method_and_foreground_is_the_variants():
    image, trimap = scene()
    variant = density_weighted(knn)
    with pytest.raises(UnknownParameterError, match="candidates"):
        variant(image, trimap, (1, 1, 1), candidates=0)
    with pytest.raises(UnknownParameterError, match="foreground"):
        variant(image, trimap, (1, 1, 1), foreground=np.ones(image.shape, np.float32))


@pytest.mark.parametrize(
    "change",
    [
        {"window": (150, -1350)},
        {"window": (np.nan, 1)},
        {"below": "cubic"},
        {"above": "two"},
        {"above": "linear"},
        {"above": "linear", "pure_up_to": 0, "zero_at": 900},
        {"above": "linear", "pure_up_to": 900, "zero_at": 500},
        {"pure_up_to": 500},
        {"image": np.array([np.nan])},
        {"image": np.array(["a"])},
    ],
)
def test_nonsense_is_refused(change):
    with pytest.raises(SegmentationError):
        foreground_alpha(**({"image": np.zeros(3)} | change))
