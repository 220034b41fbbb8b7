"""pymatting, an independent implementation in 2D, gives the same matrices and the same alpha."""

import numpy as np
import pytest
from scipy import ndimage

from pipelines.matting.closed_form import closed_form
from pipelines.matting.learning_based import learning_based
from pipelines.matting.problem import MattingProblem
from pipelines.matting.window_laplacian import WindowLaplacian

pymatting = pytest.importorskip("pymatting")

SCENES = range(24)
RIDGE = 1e-3
"""Large enough for their inverse of a 3 x 3 covariance of three equal channels."""


def scene(seed):
    """A blurred blob with noise in [0, 1], and a trimap from its true occupancy."""
    rng = np.random.default_rng(seed)
    field = ndimage.gaussian_filter(rng.standard_normal((40, 44)), 4)
    blob = field > np.quantile(field, 0.75)
    image = ndimage.gaussian_filter(blob.astype(float), 1.2) * 0.7 + 0.15
    image = np.clip(image + rng.normal(0, 0.02, image.shape), 0, 1)
    depth = ndimage.distance_transform_edt(blob) - ndimage.distance_transform_edt(~blob)
    trimap = np.where(depth > 2, 2, np.where(depth < -2, 0, 1)).astype(np.uint8)
    return image, trimap


def grey(image, scale=1.0):
    return np.repeat(scale * image[..., None], 3, axis=-1)


def product(image, trimap, learning, ridge, p):
    problem = MattingProblem.read(image, trimap, (1.0, 1.0), window=(0, 1))
    laplacian = WindowLaplacian.build(problem, ridge=ridge, learning=learning, dtype=np.float64)
    return laplacian.product(p)


@pytest.mark.parametrize("seed", SCENES)
@pytest.mark.parametrize("learning", [False, True])
def test_the_matrix_is_the_same(seed, learning):
    image, trimap = scene(seed)
    unknown = (trimap == 1).ravel()
    p = np.random.default_rng(seed).random(unknown.sum())
    # Three equal channels count thrice: in the ridge of one method, in the features of the other.
    if learning:
        matrix = pymatting.lbdm_laplacian(grey(image, 3**-0.5), epsilon=RIDGE, radius=1)
        ours = product(image, trimap, True, RIDGE, p)
    else:
        matrix = pymatting.cf_laplacian(grey(image), epsilon=RIDGE, radius=1)
        ours = product(image, trimap, False, RIDGE / 3, p)
    theirs = matrix.tocsr()[unknown][:, unknown] @ p
    assert np.abs(ours - theirs).max() < 1e-8


@pytest.mark.parametrize("seed", SCENES)
def test_alpha_is_the_same_but_for_their_soft_constraint(seed):
    image, trimap = scene(seed)
    options = {"window": (0, 1), "tolerance": 1e-9, "dtype": np.float64}
    theirs = pymatting.estimate_alpha_cf(
        grey(image), trimap / 2, laplacian_kwargs={"epsilon": RIDGE}, cg_kwargs={"rtol": 1e-9}
    )
    ours = closed_form(image, trimap, (1.0, 1.0), epsilon=RIDGE / 3, **options)
    # Theirs lets known pixels move a little, at a price of 100 a square.
    assert np.abs(ours - theirs).max() < 0.03
    assert np.abs(ours - theirs).mean() < 1e-3
    theirs = pymatting.estimate_alpha_lbdm(
        grey(image, 3**-0.5), trimap / 2, laplacian_kwargs={"epsilon": RIDGE}
    )
    ours = learning_based(image, trimap, (1.0, 1.0), ridge=RIDGE, **options)
    assert np.abs(ours - theirs).max() < 0.03
