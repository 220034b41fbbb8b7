"""Bayesian matting in 2D and 3D.

Chuang, Curless, Salesin, Szeliski: A Bayesian approach to digital matting, CVPR 2001. Each unknown
voxel takes the known and already answered voxels around it as samples of foreground and background,
weighted by a Gaussian of their distance in mm and by alpha², or (1 - alpha)². The samples of each
side are split into clusters, of one channel here, and for each pair of clusters foreground F,
background B and alpha of greatest posterior are found in turns:

    alpha = (C - B) (F - B) / (F - B)²,
    F, B: least of (C - alpha F - (1 - alpha) B)² / s² + (F - f)² / v_f + (B - b)² / v_b.

The pair of the greatest posterior wins. Voxels are answered from the known ones inwards, a shell at
a time, where the paper goes along a contour one pixel at a time: all voxels of a shell see the same
answers, so that no order of scanning shows and flips and permutations commute with the method. A
voxel so deep that no sample of one side lies around it takes the nearest ones, however far.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from pipelines.compiled import compiled, inlined
from pipelines.errors import UnknownParameterError
from pipelines.matting.far_samples import Lists, Sources
from pipelines.matting.neighbours import REACH, Neighbourhood, check_search
from pipelines.matting.problem import DEFAULT_WINDOW, MattingProblem
from pipelines.soft_mask import BACKGROUND, FOREGROUND

_CLUSTERS = 2
"""At most, of each side."""


def bayesian(
    image: npt.NDArray,
    trimap: npt.NDArray[np.uint8],
    spacing: tuple[float, ...],
    *,
    window: tuple[float, float] = DEFAULT_WINDOW,
    foreground: npt.NDArray[np.float32] | None = None,
    noise_hu: float = 20.0,
    samples: int = 32,
    sigma_mm: float = 3.0,
    candidates: int = 15624,
    rounds: int = 20,
) -> npt.NDArray[np.float32]:
    """Bayesian alpha matte of a 2D or 3D image.

    Parameters
    ----------
    image, trimap, spacing, window
        As in `closed_form`. Distances are in mm by `spacing`.
    foreground : ndarray of float32, same shape, optional
        As in `closed_form`. What is answered is the part of the foreground around a voxel, times
        the foreground's alpha there.
    noise_hu : float
        Standard deviation of the scanner's noise, the paper's sigma_C.
    samples : int
        Samples of each side, nearest in mm; all that are as far as the last one come along.
    sigma_mm : float
        Of the samples' Gaussian weight.
    candidates : int
        Samples are sought among so many voxels around, nearest in mm, until there are enough; at
        most 12 along an axis. Where none of a side is among them, its nearest ones are taken.
    rounds : int
        At most so many turns of the alternation.

    Returns
    -------
    ndarray of float32, same shape
        Alpha in [0, 1]; known voxels keep their alpha exactly.

    Raises
    ------
    UnusableVolumeError, TrimapError, UnknownParameterError
        As in `closed_form`.
    """
    check_search((samples,), (sigma_mm,), candidates)
    if not (np.isfinite(noise_hu) and noise_hu > 0):
        raise UnknownParameterError(f"noise_hu: found {noise_hu}, expected a positive number")
    if rounds != int(rounds) or rounds < 1:
        raise UnknownParameterError(f"rounds: found {rounds}, expected a whole number from 1")
    problem = MattingProblem.read(
        image, trimap, spacing, window=window, foreground=foreground, reach=REACH
    )
    if not problem.count:
        return problem.alpha
    if not ((problem.trimap == FOREGROUND).any() and (problem.trimap == BACKGROUND).any()):
        # One side lies far from the band: look everywhere.
        reach = max(problem.alpha.shape)
        problem = MattingProblem.read(
            image, trimap, spacing, window=window, foreground=foreground, reach=reach
        )
    place = Neighbourhood.of(problem, candidates)
    low, high = problem.window
    # Opacity of a foreground voxel is 1 whatever its alpha, which is put on at the end.
    opacity = np.where(place.number == -1, np.float32(1), np.float32(0))
    opacity[place.rows] = np.nan
    density = place.alpha.copy()
    gauss = np.exp(-place.squared_mm / (2 * sigma_mm**2)).astype(np.float32)
    scaled_noise = (noise_hu / (high - low)) ** 2
    fore, back = place.guide.copy(), place.guide.copy()
    answered = np.zeros(problem.count, bool)
    for shell in _shells(problem):

        def answer(shell: npt.NDArray[np.intp], far: tuple[Lists, Lists]):
            return _answer(
                place.rows[shell],
                place.guide,
                place.number,
                opacity,
                density,
                fore,
                back,
                place.steps,
                place.squared_mm,
                gauss,
                far,
                samples,
                scaled_noise,
                rounds,
            )

        none = Sources.none().nearest(np.zeros((len(shell), 3)), samples, sigma_mm)
        answers, lacks = answer(shell, (none, none))
        if lacks.any():
            (lost,) = lacks.nonzero()
            sides = _sides(problem, place.rows, answered, opacity, density, (fore, back))
            wanted = _places(problem.unknown, problem.spacing)[shell[lost]]
            far = tuple(side.nearest(wanted, samples, sigma_mm) for side in sides)
            answers[:, lost] = answer(shell[lost], far)[0]
        rows = place.rows[shell]
        for array, values in zip((opacity, density, fore, back), answers, strict=True):
            array[rows] = values
        answered[shell] = True
    return problem.fill(opacity[place.rows] * density[place.rows])


def _shells(problem: MattingProblem) -> list[npt.NDArray[np.intp]]:
    """Numbers of the unknown voxels by distance in mm from the known ones, nearest first."""
    # Rounded: distances that differ only by the order of a sum belong to one shell.
    distance = ndimage.distance_transform_edt(problem.unknown, sampling=problem.spacing)
    width = min(s for s, n in zip(problem.spacing, problem.alpha.shape, strict=True) if n > 1)
    shell = np.ceil(np.round(distance[problem.unknown] / width, 6)).astype(np.int64)
    order = np.argsort(shell, kind="stable")
    return np.split(order, np.flatnonzero(np.diff(shell[order])) + 1)


def _places(where: npt.NDArray[np.bool_], spacing: tuple[float, ...]) -> npt.NDArray[np.float64]:
    """Centres of the voxels of a mask in mm, shape (voxels, axes)."""
    return np.argwhere(where) * np.array(spacing)


def _sides(
    problem: MattingProblem,
    rows: npt.NDArray[np.int32],
    answered: npt.NDArray[np.bool_],
    opacity: npt.NDArray[np.float32],
    density: npt.NDArray[np.float32],
    colours: tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]],
) -> list[Sources]:
    """All samples of foreground and of background so far: known voxels and answered ones."""
    guide = problem.guide()
    inner = _places(problem.unknown, problem.spacing)
    found = []
    for side, (mark, colour) in enumerate(zip((FOREGROUND, BACKGROUND), colours, strict=True)):
        known = problem.trimap == mark
        share = opacity[rows] if side == 0 else 1 - opacity[rows]
        some = answered & (share > 0)
        parts = (
            (_places(known, problem.spacing), inner[some]),
            (guide[known], colour[rows[some]]),
            (np.ones(np.count_nonzero(known)), share[some]),
            (problem.known[known], density[rows[some]]),
        )
        found.append(Sources(*(np.concatenate(p).astype(np.float64) for p in parts)))
    return found


@compiled
def _answer(
    rows,
    guide,
    number,
    opacity,
    density,
    fore,
    back,
    steps,
    squared,
    gauss,
    far,
    count,
    noise,
    rounds,
):
    """Opacity, density of the foreground, F and B of each voxel of a shell, and who lacks a side.

    `far` has the samples of each side for voxels that find none among `steps`.
    """
    answers = np.empty((4, len(rows)), np.float32)
    lacks = np.zeros(len(rows), np.bool_)
    room = len(steps)
    for side in range(2):
        for row in range(len(rows)):
            room = max(room, far[side][0][row + 1] - far[side][0][row])
    values = np.empty((2, room))
    shares = np.empty((2, room))
    found = np.empty(2, np.int64)
    last = np.empty(2, np.float32)
    mean, variance, mass = np.empty((2, 2)), np.empty((2, 2)), np.empty((2, 2))
    clusters = np.empty(2, np.int64)
    for row in range(len(rows)):
        at = rows[row]
        found[:] = 0
        last[:] = np.inf
        part = near = 0.0
        for k in range(len(steps)):
            if squared[k] > last[0] and squared[k] > last[1]:
                break
            other = at + steps[k]
            if number[other] == -3 or np.isnan(opacity[other]):
                continue
            for side in range(2):
                share = opacity[other] if side == 0 else 1 - opacity[other]
                if share > 0 and squared[k] <= last[side]:
                    weight = share * share * gauss[k]
                    values[side, found[side]] = fore[other] if side == 0 else back[other]
                    shares[side, found[side]] = weight
                    found[side] += 1
                    if found[side] == count:
                        last[side] = squared[k]
                    if side == 0:
                        part += weight * density[other]
                        near += weight
        for side in range(2):
            if found[side] == 0:
                start, value, weights, parts = far[side]
                for k in range(start[row], start[row + 1]):
                    values[side, found[side]] = value[k]
                    shares[side, found[side]] = weights[k]
                    found[side] += 1
                    if side == 0:
                        part += weights[k] * parts[k]
                        near += weights[k]
        answers[1, row] = part / near if near > 0 else 1.0
        if found[0] == 0 or found[1] == 0:
            answers[0, row] = 1.0 if found[0] else 0.0
            answers[2, row] = answers[3, row] = guide[at]
            lacks[row] = True
            continue
        for side in range(2):
            clusters[side] = _split(
                values[side, : found[side]],
                shares[side, : found[side]],
                noise,
                mean[side],
                variance[side],
                mass[side],
            )
        colour = guide[at]
        best = -np.inf
        for i in range(clusters[0]):
            for j in range(clusters[1]):
                f, b = mean[0, i], mean[1, j]
                vf, vb = variance[0, i], variance[1, j]
                alpha = 0.5
                for _ in range(rounds):
                    before = alpha
                    # Two equations for F and B; their residual before is what C lacks.
                    lack = colour - alpha * mean[0, i] - (1 - alpha) * mean[1, j]
                    gain = lack / (noise + alpha * alpha * vf + (1 - alpha) * (1 - alpha) * vb)
                    f = mean[0, i] + vf * alpha * gain
                    b = mean[1, j] + vb * (1 - alpha) * gain
                    span = f - b
                    if abs(span) > 1e-6:
                        alpha = min(max((colour - b) / span, 0.0), 1.0)
                    if abs(alpha - before) < 1e-5:
                        break
                lack = colour - alpha * f - (1 - alpha) * b
                posterior = -lack * lack / noise
                posterior -= (f - mean[0, i]) ** 2 / vf + (b - mean[1, j]) ** 2 / vb
                posterior += 2 * np.log(mass[0, i]) + 2 * np.log(mass[1, j])
                posterior -= np.log(vf) + np.log(vb)
                if posterior > best:
                    best = posterior
                    answers[0, row], answers[2, row], answers[3, row] = alpha, f, b
    return answers, lacks


@inlined
def _split(values, shares, noise, mean, variance, mass):
    """Mean, variance and part of one cluster, or of two where the samples fall into two."""
    _moments(values, shares, noise, -np.inf, np.inf, mean, variance, mass, 0)
    # Split at the mean, as Orchard and Bouman do, where the spread is far more than noise.
    if variance[0] < 10 * noise:
        return 1
    middle = mean[0]
    _moments(values, shares, noise, -np.inf, middle, mean, variance, mass, 0)
    _moments(values, shares, noise, middle, np.inf, mean, variance, mass, 1)
    return 2


@inlined
def _moments(values, shares, noise, low, high, mean, variance, mass, slot):
    whole = total = first = second = 0.0
    for k in range(len(values)):
        whole += shares[k]
        if low < values[k] <= high:
            total += shares[k]
            first += shares[k] * values[k]
    first /= max(total, 1e-300)
    for k in range(len(values)):
        if low < values[k] <= high:
            second += shares[k] * (values[k] - first) ** 2
    mean[slot] = first
    variance[slot] = second / max(total, 1e-300) + noise
    mass[slot] = max(total / max(whole, 1e-300), 1e-9)
