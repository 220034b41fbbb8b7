"""The Laplacian of linear models in small windows, as an operator on chunks.

Closed-form and learning-based matting both say that alpha is a linear function of intensity in each
window w of n voxels, ``alpha = a I + b``, with a small ridge on a or on both. What the best a and b
leave of alpha is a quadratic form, the identity less a matrix of rank two. With the sums
``s0 = sum p`` and ``s1 = sum I p`` over the window, the product of L with a vector p is

    (L p)_i = sum over windows w that hold i of  p_i - a_w I_i - b_w,
    a_w = k_w (s1 - m_w s0),   b_w = c_w s0 - m_w a_w,

with three numbers a window: m, k and c. Closed form (Levin, Lischinski, Weiss, TPAMI 2008; in 3D
Wang et al., 3D Matting, eq. 27) has the mean, ``1 / (n variance + epsilon)`` and ``1 / n``. Two
passes of box sums, rows, slices and columns apart, give the product; no matrix is stored.
`window_statistics` sets the numbers up, `window_product` multiplies and solves.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pipelines.matting.chunks import Chunks
from pipelines.matting.conjugate_gradients import Convergence
from pipelines.matting.lanes import WIDTH
from pipelines.matting.problem import MattingProblem
from pipelines.matting.window_product import descend, known_load, multiply
from pipelines.matting.window_statistics import diagonal, first_guess, windows

Array = npt.NDArray[np.floating]


@dataclass(frozen=True, eq=False)
class WindowLaplacian:
    """Everything that the product with L needs. Arrays are flat, eight numbers a chunk.

    Attributes
    ----------
    chunks : Chunks
        Where the numbers belong.
    size : int
        Side of a window: 3 or 2.
    intensity : ndarray
        Guide, 0 outside of the image.
    mean, slope, constant : ndarray
        m, k and c of each window; k and c are 0 where the image does not hold the whole window.
        A constant that is the same in all windows is given for one chunk only.
    own : ndarray
        Factor of p_i in row i: number of windows, plus the weight of the prior. For one chunk only
        where it is the same everywhere.
    inverse : ndarray
        One over the diagonal at unknown voxels, 0 elsewhere.
    load : ndarray
        Right-hand side at unknown voxels, 0 elsewhere.
    line : tuple of float
        Gain and offset of the first guess, `MattingProblem.line`.
    """

    chunks: Chunks
    size: int
    intensity: Array
    mean: Array
    slope: Array
    constant: Array
    own: Array
    inverse: Array
    load: Array
    line: tuple[float, float]
    _work: Array

    @classmethod
    def build(
        cls,
        problem: MattingProblem,
        *,
        ridge: float,
        learning: bool = False,
        size: int = 3,
        dtype: npt.DTypeLike = np.float32,
        prior: npt.NDArray | None = None,
        prior_weight: npt.NDArray | None = None,
    ) -> WindowLaplacian:
        """Set up the operator of one problem.

        Parameters
        ----------
        problem : MattingProblem
            Read with a reach of 2; some voxel is unknown.
        ridge : float
            Weight of a^2 in each window, of a^2 + b^2 where `learning`.
        learning : bool
            The form of learning-based matting: ``(I - F)^T (I - F)`` with a ridge in F.
        size : int
            Side of a window: 3, or 2 for all windows of two voxels along each axis. An axis shorter
            than that takes windows of its length.
        dtype : float32 or float64
            What to compute in.
        prior, prior_weight : ndarray, shape of the problem's box, optional
            Add ``prior_weight * (alpha - prior)**2`` at each unknown voxel.
        """
        dtype = np.dtype(dtype)
        shape = (1,) * (3 - problem.image.ndim) + problem.image.shape
        image = np.asarray(problem.image, dtype).reshape(shape)
        chunks = Chunks.around_unknown(problem.trimap.reshape(shape), size)
        length = len(chunks.unknown) * WIDTH
        intensity, mean, slope, inverse, load = np.zeros((5, length), dtype)
        work = np.zeros((4, length), dtype)
        constant, own = work[2:]
        low, high = problem.window
        windows(
            image,
            problem.known.reshape(shape),
            *(dtype.type(v) for v in (low, 1 / (high - low), ridge)),
            learning,
            size,
            chunks.place,
            chunks.slices,
            (intensity, mean, slope, constant),
            work[:2],
        )
        if prior_weight is not None:
            chunks.gather(prior_weight.reshape(shape), own)
            chunks.gather(prior.reshape(shape), load)
            load *= own
        diagonal(
            chunks.place,
            chunks.unknown,
            chunks.neighbours,
            chunks.joined,
            size,
            shape,
            (intensity, mean, slope, constant),
            own,
            inverse,
        )
        # Where all windows are whole, two arrays say the same everywhere.
        whole = not learning and _within(problem.unknown.reshape(shape), size)
        constant = np.full(WIDTH, 1 / size**3, dtype) if whole else constant.copy()
        alike = whole and prior_weight is None
        own = np.full(WIDTH, size**3, dtype) if alike else own.copy()
        geometry = (chunks.neighbours, chunks.joined, chunks.slices)
        known_load(tuple(work), intensity, own, inverse, geometry, size, load)
        model = (intensity, mean, slope, constant, own, inverse, load)
        return cls(chunks, size, *model, problem.line(), work)

    def first_guess(self) -> Array:
        """`line` of the unknown voxels' intensity, clipped to [0, 1], in chunks; 0 elsewhere."""
        guess = np.empty_like(self.load)
        first_guess(self.chunks.unknown, self.intensity, *self.line, guess)
        return guess

    def product(self, values: Array) -> Array:
        """L times the unknown voxels' values, the known ones being 0; and the prior's part.

        Parameters
        ----------
        values : ndarray, shape (unknown voxels,)
            In the order of ``(trimap == 1).nonzero()``.

        Returns
        -------
        ndarray, same shape
        """
        at = self.chunks.positions
        p, out = np.zeros_like(self.load), np.zeros_like(self.load)
        p[at] = values
        multiply(p, self._geometry, self._model, self.inverse, self.own, self.size, out)
        return out[at]

    def solve(self, *, tolerance: float, max_iterations: int) -> tuple[Array, Convergence]:
        """Jacobi-preconditioned conjugate gradients on the unknown voxels.

        Parameters
        ----------
        tolerance : float
            Stop when the residual's norm falls to this part of the right-hand side's.
        max_iterations : int
            At most so many products with L.

        Returns
        -------
        ndarray, Convergence
            The answer in chunks, unclipped, and how it was reached.
        """
        answer = self.first_guess()
        iterations, residual, goal = descend(
            answer,
            self.load,
            self._geometry,
            self._model,
            self.inverse,
            self.own,
            self.size,
            tolerance,
            max_iterations,
            self._work,
        )
        return answer, Convergence(iterations, residual, goal)

    @property
    def _geometry(self) -> tuple:
        return self.chunks.neighbours, self.chunks.joined, self.chunks.slices

    @property
    def _model(self) -> tuple:
        return self.intensity, self.mean, self.slope, self.constant


def _within(unknown: npt.NDArray[np.bool_], size: int) -> bool:
    """Whether every window that would hold an unknown voxel lies in the box as a whole."""
    margin = size - 1
    return not any(
        unknown.take(range(-margin, margin), axis=axis, mode="wrap").any() for axis in range(3)
    )
