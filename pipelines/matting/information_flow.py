"""Information-flow matting in 2D and 3D.

Aksoy, Aydin, Pollefeys: Designing effective inter-pixel information flow for natural image matting,
CVPR 2017; in 3D Wang et al., 3D Matting, section 4.1. Alpha makes the sum of four energies least,
known voxels eliminated:

- colour mixture: each unknown voxel as a mixture of the 20 voxels most like it (weight 1);
- known to unknown: each unknown voxel as a mixture of the 7 foreground and the 7 background voxels
  most like it; alpha is drawn to the foreground's part, the more so the more the two sides' mixed
  intensities differ (weight 0.05);
- intra-unknown: each unknown voxel is tied to the 5 unknown ones most like it (weight 0.01);
- local: the matting Laplacian of closed-form matting (weight 1, renormalised).

**The local term in 3D.** A voxel lies in 27 windows instead of 9, so that the mean diagonal of the
matting Laplacian is 27/9 times as great while the other terms stay as they were: the local term
drowns them. It is therefore multiplied by 9 over the number of voxels of a window, 1/3 in 3D and 1
in 2D. The weights then keep the balance for which they were published, and one slice is treated
like a 2D image. On phantom nodules of 1.25 mm slices alpha in the band departs from closed-form
matting by 0.0002 on the mean without the factor, by 0.0006 with it and by 0.003 with 1/27; the
error against the truth hardly changes (9.20, 9.18 and 9.10 % of the volume). With one channel a
voxel's mixtures say little that the windows do not say.

**Known to unknown** does harm where the unknown voxels are mixtures throughout, as partial volume
is. As in the paper it is left out where the histogram of the unknown voxels is not a mixture of the
histograms of foreground and background. Trimming the trimap beforehand, by patches or by edges, is
not part of this method.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.optimize import nnls

from pipelines.compiled import compiled
from pipelines.errors import UnknownParameterError
from pipelines.matting.colour_mixture import Mixture, mixing_weights
from pipelines.matting.conjugate_gradients import check_stopping, conjugate_gradients, jacobi
from pipelines.matting.graph import Graph
from pipelines.matting.neighbours import (
    BACKGROUND,
    FOREGROUND,
    OUTSIDE,
    REACH,
    Neighbourhood,
    Neighbours,
    check_search,
)
from pipelines.matting.problem import DEFAULT_WINDOW, MattingProblem
from pipelines.matting.window_laplacian import WindowLaplacian

_BINS, _TRANSPARENT = 10, 0.0099
"""Of the histograms, and the squared error from which on unknown voxels count as transparent."""


@dataclass(frozen=True)
class FlowWeights:
    """How much each energy counts; 0 leaves it out.

    Attributes
    ----------
    mixture, known, intra, local : float
        Colour mixture, known to unknown, intra-unknown, local. Mixture or local is above 0.
    """

    mixture: float = 1.0
    known: float = 0.05
    intra: float = 0.01
    local: float = 1.0

    def __post_init__(self) -> None:
        values = (self.mixture, self.known, self.intra, self.local)
        if not (np.isfinite(values).all() and min(values) >= 0 and self.mixture + self.local > 0):
            raise UnknownParameterError(
                f"found the weights {values}, expected none below 0 and mixture or local above"
            )


def information_flow(
    image: npt.NDArray,
    trimap: npt.NDArray[np.uint8],
    spacing: tuple[float, ...],
    *,
    window: tuple[float, float] = DEFAULT_WINDOW,
    foreground: npt.NDArray[np.float32] | None = None,
    weights: FlowWeights = FlowWeights(),
    local_scale: float | None = None,
    neighbours: tuple[int, int, int] = (20, 7, 5),
    position_mm: tuple[float, float, float] = (50.0, 5.0, 1000.0),
    candidates: int = 124,
    known_candidates: int = 728,
    known_to_unknown: bool | None = None,
    epsilon: float = 1e-6,
    tolerance: float = 1e-5,
    max_iterations: int = 2000,
) -> npt.NDArray[np.float32]:
    """Information-flow alpha matte of a 2D or 3D image.

    Parameters
    ----------
    image, trimap, spacing, window, foreground
        As in `closed_form`.
    weights : FlowWeights
        Of the four energies.
    local_scale : float, optional
        Factor of the matting Laplacian; 9 over the voxels of a window where it is not given.
    neighbours : tuple of int
        K of colour mixture, of each side of known to unknown, and of intra-unknown.
    position_mm : tuple of float
        For each of the three, how many mm count as much as the whole window of intensities. The
        published weights of place, 1, 10 and 0.05, are relative to the image's extent; these are
        the same proportions for about 50 mm.
    candidates : int
        Neighbours are sought among so many voxels around each unknown one, nearest in mm.
    known_candidates : int
        The same for known to unknown. A voxel that finds none of one side goes without.
    known_to_unknown : bool, optional
        Whether to draw alpha to the known sides; decided by the histograms where not given.
    epsilon : float
        Of the matting Laplacian.
    tolerance, max_iterations
        When conjugate gradients stop; a `NotConvergedWarning` says when they stopped early.

    Returns
    -------
    ndarray of float32, same shape
        Alpha in [0, 1]; known voxels keep their alpha exactly.

    Raises
    ------
    UnusableVolumeError, TrimapError, UnknownParameterError
        As in `closed_form`.
    """
    check_search(neighbours, position_mm, candidates)
    check_search((known_candidates,), (1.0,), 1)
    check_stopping(tolerance, max_iterations)
    if len(neighbours) != 3:
        raise UnknownParameterError(f"neighbours: found {neighbours}, expected three numbers")
    for name, value in (("epsilon", epsilon), ("local_scale", local_scale)):
        if value is not None and not (np.isfinite(value) and value > 0):
            raise UnknownParameterError(f"{name}: found {value}, expected a positive number")
    problem = MattingProblem.read(
        image, trimap, spacing, window=window, foreground=foreground, reach=REACH
    )
    if not problem.count:
        return problem.alpha
    terms = []
    if weights.mixture or weights.intra:
        place = Neighbourhood.of(problem, candidates)
    if weights.mixture:
        found = place.nearest(neighbours[0], position_mm[0], place.number != OUTSIDE)
        mixture = Mixture.of(place, found, position_mm[0])
        terms.append((weights.mixture, mixture.product, mixture.diagonal, mixture.load))
    if weights.intra:
        found = place.nearest(neighbours[2], position_mm[2], place.number >= 0)
        graph = Graph.of(place, [(found, position_mm[2], 1.0)])
        terms.append((weights.intra, graph.product, graph.diagonal, graph.load))
    if known_to_unknown is None:
        known_to_unknown = not is_transparent(problem)
    if weights.known and known_to_unknown:
        wide = Neighbourhood.of(problem, known_candidates)
        confidence, part = _known_flow(wide, neighbours[1], position_mm[1])
        terms.append((weights.known, lambda x: confidence * x, confidence, confidence * part))
    start = problem.first_guess().astype(np.float64)
    if weights.local:
        laplacian = WindowLaplacian.build(problem, ridge=epsilon)
        scale = 9 / np.prod([min(3, n) for n in problem.alpha.shape])
        at = laplacian.chunks.positions
        inverse = laplacian.inverse[at].astype(np.float64)
        diagonal = np.divide(1.0, inverse, out=np.zeros_like(inverse), where=inverse > 0)
        terms.append(
            (
                weights.local * (scale if local_scale is None else local_scale),
                lambda x: laplacian.product(x.astype(np.float32)),
                diagonal,
                laplacian.load[at].astype(np.float64),
            )
        )
        # Near the answer, and cheap to find.
        first, _ = laplacian.solve(tolerance=1e-3, max_iterations=100)
        start[:] = first[at]

    def product(x: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        out = np.zeros_like(x)
        for weight, term, _, _ in terms:
            out += weight * term(x)
        return out

    values, ended = conjugate_gradients(
        product,
        sum(weight * load for weight, _, _, load in terms),
        start,
        jacobi(sum(weight * diagonal for weight, _, diagonal, _ in terms)),
        tolerance=tolerance,
        max_iterations=max_iterations,
    )
    ended.warn()
    return problem.fill(values)


def is_transparent(problem: MattingProblem) -> bool:
    """Whether the unknown voxels are mixtures throughout (Aksoy et al. 2017, section 4.2).

    The histograms of foreground and background around them, of ten bins over the window, are mixed
    to come as near to the histogram of the unknown voxels as they can; what is left, as a sum of
    squares, decides. False where one side has no voxel around.
    """
    bins = np.minimum((problem.guide() * _BINS).astype(np.int64), _BINS - 1)
    joint = np.bincount((problem.trimap * np.int64(_BINS) + bins).ravel(), minlength=3 * _BINS)
    histograms = joint.reshape(3, _BINS)
    if histograms.sum(axis=1).min() == 0:
        return False
    background, unknown, foreground = histograms / histograms.sum(axis=1, keepdims=True)
    _, left = nnls(np.stack([background, foreground], axis=1), unknown)
    return left**2 > _TRANSPARENT


def _known_flow(
    place: Neighbourhood, count: int, position_mm: float
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Confidence of each unknown voxel, and the alpha that its known neighbours mix it from."""
    front = place.nearest(count, position_mm, place.number == FOREGROUND)
    back = place.nearest(count, position_mm, place.number == BACKGROUND)
    both = Neighbours(
        *_join(front.start, front.which, front.weight, back.start, back.which, back.weight)
    )
    weights = mixing_weights(place, both, position_mm)
    return _drawn(
        place.rows,
        place.guide,
        place.number,
        place.alpha,
        place.steps,
        both.start,
        both.which,
        weights,
    )


@compiled
def _join(start, which, weight, start2, which2, weight2):
    """Both lists of each voxel after one another; none where one of them is empty."""
    begin = np.zeros(len(start), np.int64)
    joined = np.empty(len(which) + len(which2), np.int32)
    share = np.empty(len(joined), np.float32)
    filled = 0
    for row in range(len(start) - 1):
        if start[row + 1] > start[row] and start2[row + 1] > start2[row]:
            for k in range(start[row], start[row + 1]):
                joined[filled], share[filled] = which[k], weight[k]
                filled += 1
            for k in range(start2[row], start2[row + 1]):
                joined[filled], share[filled] = which2[k], weight2[k]
                filled += 1
        begin[row + 1] = filled
    return begin, joined[:filled].copy(), share[:filled].copy()


@compiled
def _drawn(rows, guide, number, alpha, steps, start, which, weight):
    confidence, target = np.zeros(len(rows)), np.zeros(len(rows))
    for row in range(len(rows)):
        part = front = back = level = 0.0
        for k in range(start[row], start[row + 1]):
            other = rows[row] + steps[which[k]]
            if number[other] == -1:
                part += weight[k]
                front += weight[k] * guide[other]
                level += weight[k] * alpha[other]
            else:
                back += weight[k] * guide[other]
        if start[row + 1] > start[row]:
            # Of a side without weight there is no mixed intensity, and no confidence.
            if abs(part) > 1e-6 and abs(1 - part) > 1e-6:
                f = min(max(front / part, 0.0), 1.0)
                b = min(max(back / (1 - part), 0.0), 1.0)
                confidence[row] = (f - b) ** 2
            target[row] = min(max(level, 0.0), 1.0)
    return confidence, target
