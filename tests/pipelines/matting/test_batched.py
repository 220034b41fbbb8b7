"""Batched matting gives each crop the answer that it gets alone."""

import subprocess
import sys
from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.errors import (
    NotConvergedWarning,
    TrimapError,
    UnknownParameterError,
    UnusableVolumeError,
)
from pipelines.matting.batched import (
    MissingTorchError,
    closed_form_batch,
    groups,
    learning_based_batch,
    read_crops,
)
from pipelines.matting.closed_form import closed_form
from pipelines.matting.learning_based import learning_based

torch = pytest.importorskip("torch")

DEVICES = ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]


def ball(radius, shape, seed=0, noise_hu=20.0):
    """A soft ball in lung with an unknown band of four voxels."""
    axes = np.meshgrid(*[np.arange(n) - n / 2 + 0.3 for n in shape], indexing="ij")
    distance = np.sqrt(sum(x**2 for x in axes))
    noise = np.random.default_rng(seed).normal(0, noise_hu, shape)
    image = -860 + 900 / (1 + np.exp(2 * (distance - radius))) + noise
    trimap = np.where(distance < radius - 2, 2, np.where(distance < radius + 2, 1, 0))
    return np.round(image).astype(np.int16), trimap.astype(np.uint8)


SHAPES = [(5, (16, 20, 20)), (8, (22, 25, 30)), (6, (20, 21)), (4, (1, 20, 20)), (4, (2, 20, 20))]
SCENES = [ball(radius, shape, seed) for seed, (radius, shape) in enumerate(SHAPES)]
IMAGES, TRIMAPS = [list(part) for part in zip(*SCENES, strict=True)]

FEW = slice(0, 2)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("size", [3, 2])
@pytest.mark.parametrize(
    ("batched", "alone"), [(closed_form_batch, closed_form), (learning_based_batch, learning_based)]
)
def test_float32_agrees_with_one_after_another(batched, alone, size, device):
    found = batched(IMAGES, TRIMAPS, size=size, device=device)
    for image, trimap, alpha in zip(IMAGES, TRIMAPS, found, strict=True):
        exact = alone(
            image, trimap, (1,) * image.ndim, size=size, dtype=np.float64, tolerance=1e-10
        )
        assert alpha.dtype == np.float32
        assert np.abs(alpha - exact).max() < 3e-4
        assert (alpha[trimap != 1] == trimap[trimap != 1] / 2).all()


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize(
    ("batched", "alone"), [(closed_form_batch, closed_form), (learning_based_batch, learning_based)]
)
def test_float64_agrees_to_the_solvers_tolerance(batched, alone, device):
    options = {"dtype": np.float64, "tolerance": 1e-10}
    found = batched(IMAGES, TRIMAPS, device=device, **options)
    for image, trimap, alpha in zip(IMAGES, TRIMAPS, found, strict=True):
        assert np.abs(alpha - alone(image, trimap, (1,) * image.ndim, **options)).max() < 1e-6


def test_flat_windows_keep_float32_exact():
    image, trimap = ball(6, (18, 18, 18), noise_hu=0)
    image[trimap == 0], image[trimap == 2] = -2000, 900
    (alpha,) = closed_form_batch([image], [trimap], device="cpu")
    exact = closed_form(image, trimap, (1, 1, 1), dtype=np.float64, tolerance=1e-10)
    assert np.abs(alpha - exact).max() < 3e-4


def test_windows_foregrounds_and_priors_are_each_crops_own():
    images, trimaps = IMAGES[FEW], TRIMAPS[FEW]
    windows = [(-1000.0, 400.0), (-900.0, 0.0)]
    foregrounds = [
        np.full(i.shape, value, np.float32) for i, value in zip(images, (0.5, 0.9), strict=True)
    ]
    priors = [np.clip((i + 900.0) / 900, 0, 1).astype(np.float32) for i in images]
    weights = [
        np.full(i.shape, value, np.float32) for i, value in zip(images, (0.5, 5.0), strict=True)
    ]
    found = closed_form_batch(
        images,
        trimaps,
        [(2.0, 1.0, 1.0)] * 2,
        windows=windows,
        foregrounds=foregrounds,
        priors=priors,
        prior_weights=weights,
        device="cpu",
    )
    for k, alpha in enumerate(found):
        alone = closed_form(
            images[k],
            trimaps[k],
            (2.0, 1.0, 1.0),
            window=windows[k],
            foreground=foregrounds[k],
            prior=priors[k],
            prior_weight=weights[k],
        )
        assert np.abs(alpha - alone).max() < 3e-4


def test_crops_that_converge_late_are_not_cut_short_by_early_ones():
    easy = ball(9, (24, 24, 24))
    image, trimap = ball(9, (24, 24, 24), noise_hu=100)
    trimap[trimap == 2] = 1
    trimap[12, 12, 12] = 2
    images, trimaps = [easy[0]] * 5 + [image], [easy[1]] * 5 + [trimap]
    assert len(list(groups(read_crops(images, trimaps), 3))) == 1
    found = closed_form_batch(images, trimaps, device="cpu")
    assert np.abs(found[-1] - closed_form(image, trimap, (1, 1, 1))).max() < 1e-3
    assert all(np.abs(alpha - found[0]).max() < 1e-6 for alpha in found[:5])
    assert np.abs(found[0] - closed_form(*easy, (1, 1, 1))).max() < 3e-4


def test_a_crop_without_unknown_voxels_is_its_trimap():
    known = np.where(TRIMAPS[0] == 1, 0, TRIMAPS[0])
    found = closed_form_batch([IMAGES[0]] * 2, [known, TRIMAPS[0]], device="cpu")
    assert (found[0] == known / 2).all()
    assert 0 < found[1][TRIMAPS[0] == 1].mean() < 1
    assert closed_form_batch([], [], device="cpu") == []


@settings(max_examples=8, deadline=None)
@given(st.permutations((0, 1, 2)), st.sets(st.integers(0, 2)))
def test_flips_and_permutations_commute_with_batched_matting(order, flips):
    def move(a):
        return np.ascontiguousarray(np.flip(a.transpose(order), tuple(flips)))

    images, trimaps = IMAGES[FEW], TRIMAPS[FEW]
    options = {"device": "cpu", "tolerance": 1e-8, "dtype": np.float64}
    alphas = closed_form_batch(images, trimaps, **options)
    moved = closed_form_batch([move(i) for i in images], [move(t) for t in trimaps], **options)
    for alpha, other in zip(alphas, moved, strict=True):
        assert np.abs(move(alpha) - other).max() < 1e-5


def test_the_iteration_can_be_compiled(monkeypatch):
    from pipelines.matting import window_batch

    # Traced as it would be for a GPU, without waiting for a compiler.
    monkeypatch.setattr(torch, "compile", partial(torch.compile, backend="eager"))
    monkeypatch.setattr(window_batch, "_compiled", [])
    plain = closed_form_batch(IMAGES[FEW], TRIMAPS[FEW], device="cpu")
    traced = closed_form_batch(IMAGES[FEW], TRIMAPS[FEW], device="cpu", compile_step=True)
    assert len(window_batch._compiled) == 1
    assert all(np.abs(a - b).max() < 1e-6 for a, b in zip(plain, traced, strict=True))


def test_a_stop_before_convergence_is_said():
    with pytest.warns(NotConvergedWarning, match="2 of 2"):
        closed_form_batch(IMAGES[FEW], TRIMAPS[FEW], device="cpu", max_iterations=3)


def test_groups_hold_every_crop_once_and_little_padding():
    scenes = [ball(r, (n, n + 3, n + 5)) for r, n in ((3, 12), (9, 40), (4, 14), (10, 42), (3, 12))]
    crops = read_crops(*zip(*scenes, strict=True))
    made = list(groups(crops, 3))
    assert sorted(id(c) for _, group in made for c in group) == sorted(id(c) for c in crops)
    for sides, group in made:
        assert sides == (3, 3, 3)
        padded = np.prod(np.max([c.shape for c in group], axis=0)) * len(group)
        assert padded <= 2 * sum(c.voxels for c in group)
    assert len(made) > 1
    # A GPU has room for the padding of so few voxels.
    assert len(list(groups(crops, 3, "cuda"))) == 1


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"trimaps": TRIMAPS[:1]}, UnknownParameterError, "trimaps: found 1"),
        ({"spacings": [(1, 1, 1)]}, UnknownParameterError, "spacings: found 1"),
        ({"spacings": [(1, 1, 1), (1, 1)]}, UnusableVolumeError, "crop 1"),
        ({"trimaps": [TRIMAPS[0], TRIMAPS[1] * 0 + 1]}, TrimapError, "crop 1"),
        ({"images": [IMAGES[0] * np.nan, IMAGES[1]]}, UnusableVolumeError, "crop 0"),
        ({"windows": (400, -1000)}, UnknownParameterError, "window"),
        ({"windows": [(-1000, 400)]}, UnknownParameterError, "windows: found 1"),
        ({"priors": [np.zeros((2, 2))] * 2}, UnknownParameterError, "prior_weights"),
        ({"epsilon": 0}, UnknownParameterError, "epsilon"),
        ({"size": 4}, UnknownParameterError, "size"),
        ({"dtype": np.float16}, UnknownParameterError, "float16"),
        ({"tolerance": 2}, UnknownParameterError, "tolerance"),
        ({"device": "no such device"}, UnknownParameterError, "device"),
    ],
)
def test_nonsense_is_refused_with_a_typed_error(change, error, message):
    arguments = {"images": IMAGES[FEW], "trimaps": TRIMAPS[FEW], "device": "cpu"} | change
    with pytest.raises(error, match=message):
        closed_form_batch(arguments.pop("images"), arguments.pop("trimaps"), **arguments)


def test_a_wrong_prior_is_refused_with_the_number_of_its_crop():
    priors = [np.zeros(i.shape, np.float32) for i in IMAGES[FEW]]
    for wrong in (priors[1] - np.inf, priors[1][:2]):
        with pytest.raises(UnknownParameterError, match="crop 1: "):
            closed_form_batch(
                IMAGES[FEW], TRIMAPS[FEW], priors=[priors[0], wrong], prior_weights=priors
            )
    with pytest.raises(UnknownParameterError, match="ridge"):
        learning_based_batch(IMAGES[FEW], TRIMAPS[FEW], ridge=-1)


def test_without_torch_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    monkeypatch.delitem(sys.modules, "pipelines.matting.window_batch", raising=False)
    with pytest.raises(MissingTorchError, match="networks"):
        closed_form_batch(IMAGES[FEW], TRIMAPS[FEW])


def test_importing_the_face_does_not_import_torch():
    code = "import sys, pipelines.matting.batched; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
