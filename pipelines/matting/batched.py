"""Many small matting problems at once, on a GPU or on the CPU, with PyTorch.

Closed-form and learning-based matting as in `closed_form` and `learning_based`, with the same
checks and, within rounding, the same answers. Crops of any shapes are padded to a common one and
solved together; `window_batch` has the operator. This is for a GPU: on a CPU `closed_form`, one
crop after another, is many times faster.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pipelines.errors import NotConvergedWarning, SegmentationError, UnknownParameterError
from pipelines.matting.linear_windows import check_windows
from pipelines.matting.problem import DEFAULT_WINDOW, MattingProblem

Arrays = Sequence[npt.NDArray]
Window = tuple[float, float]

_LARGEST_GROUP = 1 << 26
"""Voxels solved at once, padding counted: about 6 GiB in float32."""

_MOST_PADDING = 2.0
"""A group's padded voxels, at most so many times its own."""

_FREE_VOXELS = {"cuda": 1 << 22}
"""Groups of fewer padded voxels are not divided: a GPU waits for commands, not for memory."""


class MissingTorchError(ImportError):
    """PyTorch, which batched matting and networks need, is not installed."""


@dataclass(frozen=True, eq=False)
class Crop:
    """One crop of a batch, checked.

    Attributes
    ----------
    problem : MattingProblem
        The crop, read.
    plain : bool
        Whether the foreground's alpha is 1 everywhere.
    prior, weight : ndarray, shape of the problem's box, or None
        Both or none.
    """

    problem: MattingProblem
    plain: bool
    prior: npt.NDArray | None
    weight: npt.NDArray | None

    @property
    def shape(self) -> tuple[int, int, int]:
        """Of the box, as three axes."""
        shape = self.problem.trimap.shape
        return (1,) * (3 - len(shape)) + shape

    @property
    def voxels(self) -> int:
        """Of the box."""
        return self.problem.trimap.size


def closed_form_batch(
    images: Arrays,
    trimaps: Arrays,
    spacings: Sequence[tuple[float, ...]] | None = None,
    *,
    windows: Window | Sequence[Window] = DEFAULT_WINDOW,
    foregrounds: Arrays | None = None,
    epsilon: float = 1e-7,
    size: int = 3,
    priors: Arrays | None = None,
    prior_weights: Arrays | None = None,
    device: str | None = None,
    dtype: npt.DTypeLike = np.float32,
    tolerance: float = 1e-5,
    max_iterations: int = 2000,
    compile_step: bool = False,
) -> list[npt.NDArray[np.float32]]:
    """Closed-form alpha mattes of many crops.

    Parameters
    ----------
    images : sequence of ndarray, any real dtype, 2D or 3D
        Intensities in HU, one array a crop, of any shapes.
    trimaps : sequence of ndarray of uint8, of the images' shapes
        0 background, 1 unknown, 2 foreground.
    spacings : sequence of tuple of float, optional
        Voxel sizes in mm. Windows count voxels, so that they are only checked.
    windows : tuple of float, or sequence of such
        HU that become 0 and 1, for all crops or for each.
    foregrounds : sequence of ndarray of float32, optional
        Alpha of the foreground voxels; 1 where it is not given.
    epsilon, size, tolerance, max_iterations
        As of `pipelines.matting.closed_form.closed_form`.
    priors, prior_weights : sequence of ndarray of float32, optional
        Both or none, one of each a crop; as of `closed_form`.
    device : str, optional
        Name of a PyTorch device; "cuda" where there is one, else "cpu".
    dtype : float32 or float64
        What conjugate gradients compute in; what they start from is computed in float64. In
        float32 answers agree with `closed_form` to 3e-4.
    compile_step : bool
        Compile the iteration with `torch.compile` for each shape of batch: fewer passes over the
        memory, after seconds to minutes of compiling.

    Returns
    -------
    list of ndarray of float32
        Alpha of each crop in [0, 1]; known voxels keep their alpha exactly.

    Raises
    ------
    MissingTorchError
        If PyTorch is not installed.
    SegmentationError
        Of the kinds that `closed_form` raises, with the number of the crop.
    UnknownParameterError
        If a parameter makes no sense, the device included, or sequences differ in length.
    """
    if not (np.isfinite(epsilon) and epsilon > 0):
        raise UnknownParameterError(f"epsilon: found {epsilon}, expected a positive number")
    if (priors is None) != (prior_weights is None):
        raise UnknownParameterError("found only one of priors and prior_weights, expected both")
    crops = read_crops(images, trimaps, spacings, windows, foregrounds, priors, prior_weights)
    return _solve(
        crops, size, epsilon, False, device, dtype, tolerance, max_iterations, compile_step
    )


def learning_based_batch(
    images: Arrays,
    trimaps: Arrays,
    spacings: Sequence[tuple[float, ...]] | None = None,
    *,
    windows: Window | Sequence[Window] = DEFAULT_WINDOW,
    foregrounds: Arrays | None = None,
    ridge: float = 1e-7,
    size: int = 3,
    device: str | None = None,
    dtype: npt.DTypeLike = np.float32,
    tolerance: float = 1e-5,
    max_iterations: int = 2000,
    compile_step: bool = False,
) -> list[npt.NDArray[np.float32]]:
    """Learning-based alpha mattes of many crops.

    Parameters
    ----------
    images, trimaps, spacings, windows, foregrounds, size, device, dtype, tolerance, max_iterations
        As of `closed_form_batch`, and so is `compile_step`.
    ridge : float
        As of `pipelines.matting.learning_based.learning_based`.

    Returns
    -------
    list of ndarray of float32
        Alpha of each crop in [0, 1]; known voxels keep their alpha exactly.

    Raises
    ------
    MissingTorchError, SegmentationError
        As of `closed_form_batch`.
    """
    if not (np.isfinite(ridge) and ridge > 0):
        raise UnknownParameterError(f"ridge: found {ridge}, expected a positive number")
    crops = read_crops(images, trimaps, spacings, windows, foregrounds)
    return _solve(crops, size, ridge, True, device, dtype, tolerance, max_iterations, compile_step)


def read_crops(
    images: Arrays,
    trimaps: Arrays,
    spacings: Sequence[tuple[float, ...]] | None = None,
    windows: Window | Sequence[Window] = DEFAULT_WINDOW,
    foregrounds: Arrays | None = None,
    priors: Arrays | None = None,
    weights: Arrays | None = None,
) -> list[Crop]:
    """Check every crop; parameters and errors as of `closed_form_batch`."""
    if np.ndim(windows) == 1:
        windows = [windows] * len(images)
    given = {
        "trimaps": trimaps,
        "spacings": spacings,
        "windows": windows,
        "foregrounds": foregrounds,
        "priors": priors,
        "prior_weights": weights,
    }
    for name, sequence in given.items():
        if sequence is not None and len(sequence) != len(images):
            raise UnknownParameterError(
                f"{name}: found {len(sequence)}, expected one for each of {len(images)} images"
            )
    crops = []
    for k, (image, trimap) in enumerate(zip(images, trimaps, strict=True)):
        try:
            problem = MattingProblem.read(
                image,
                trimap,
                (1.0,) * np.ndim(image) if spacings is None else spacings[k],
                window=windows[k],
                foreground=None if foregrounds is None else foregrounds[k],
            )
            pair = problem.prior(*((None, None) if priors is None else (priors[k], weights[k])))
        except SegmentationError as error:
            raise type(error)(f"crop {k}: {error}") from error
        crops.append(Crop(problem, foregrounds is None, *pair))
    return crops


def groups(
    crops: Sequence[Crop], size: int, device: str = "cpu"
) -> Iterator[tuple[tuple[int, ...], list[Crop]]]:
    """Crops that are solved together, with the sides of their windows.

    Crops of like size share a group, so that padding costs at most as much as the crops themselves;
    an axis shorter than a window takes windows of its length, which must be the same in a group.

    Parameters
    ----------
    crops : sequence of Crop
        Those without an unknown voxel are left out.
    size : int
        Side of a window, 3 or 2.
    device : str
        Kind of device: on some, padding of small groups costs nothing.
    """
    kinds: dict[tuple[int, ...], list[Crop]] = {}
    for crop in crops:
        if crop.problem.count:
            kinds.setdefault(tuple(min(size, n) for n in crop.shape), []).append(crop)
    for sides, members in kinds.items():
        group: list[Crop] = []
        extent = np.zeros(3, int)
        own = 0
        for crop in sorted(members, key=lambda c: c.voxels, reverse=True):
            wider = np.maximum(extent, crop.shape)
            padded = int(wider.prod()) * (len(group) + 1)
            worth = max(_FREE_VOXELS.get(device, 0), _MOST_PADDING * (own + crop.voxels))
            if group and padded > min(_LARGEST_GROUP, worth):
                yield sides, group
                group, wider, own = [], np.array(crop.shape), 0
            group.append(crop)
            extent, own = wider, own + crop.voxels
        yield sides, group


def _solve(
    crops: list[Crop],
    size: int,
    ridge: float,
    learning: bool,
    device: str | None,
    dtype: npt.DTypeLike,
    tolerance: float,
    max_iterations: int,
    compile_step: bool,
) -> list[npt.NDArray[np.float32]]:
    dtype = check_windows(dtype, size, tolerance, max_iterations)
    try:
        from pipelines.matting.window_batch import WindowBatch, find_device
    except ImportError as error:
        raise MissingTorchError(
            "found no PyTorch, expected it for matting in batches: install the extra `networks`"
        ) from error
    place = find_device(device)
    for sides, group in groups(crops, size, place.type):
        batch = WindowBatch.build(group, sides, ridge, learning, place, dtype)
        solution, unfinished = batch.solve(tolerance, max_iterations, compile_step)
        if unfinished:
            warnings.warn(
                f"alpha of {unfinished} of {len(group)} crops is less exact than asked for: found "
                f"no convergence to {tolerance:.1e} after {max_iterations} iterations",
                NotConvergedWarning,
                stacklevel=3,
            )
        for crop, values in zip(group, solution, strict=True):
            problem = crop.problem
            inside = values[tuple(slice(n) for n in crop.shape)].reshape(problem.trimap.shape)
            np.copyto(problem.alpha[problem.box], inside, where=problem.unknown)
    return [crop.problem.alpha for crop in crops]
