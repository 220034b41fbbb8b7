"""The Laplacian of linear models in small windows on padded crops, with PyTorch.

The operator is that of `window_laplacian`: with the sums ``s0 = sum p`` and ``s1 = sum I p`` over
the window, the product of L with a vector p is

    (L p)_i = sum over windows w that hold i of  p_i - a_w I_i - b_w,
    a_w = k_w (s1 - m_w s0),   b_w = c_w s0 - m_w a_w.

Each of the two passes of box sums is one pooling of two channels; a crop's dot products are sums
over its own voxels, and a crop that has converged takes steps of length zero until half of the
crops have: then those are taken out.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import torch

from pipelines.matting.padded_crops import find_device, padded, upload
from pipelines.matting.window_sums import Sides, learned_models

if TYPE_CHECKING:
    from pipelines.matting.batched import Crop

__all__ = ["Sides", "State", "WindowBatch", "find_device"]

Tensor = torch.Tensor

_CHECK_EVERY = 4
"""Iterations between two looks at which crops have converged: a look waits for the device."""

_FIRST_GUESS = 0.5


@dataclass(frozen=True, eq=False)
class State:
    """Where conjugate gradients stand. Grids are (crops, slices, rows, columns).

    `rho`, `norm` and `goal` are r.z, r.r and the wanted r.r of each crop, shape (crops, 1, 1, 1),
    and `going` says whether it still takes steps.
    """

    x: Tensor
    r: Tensor
    p: Tensor
    rho: Tensor
    norm: Tensor
    goal: Tensor
    going: Tensor


@dataclass(frozen=True, eq=False)
class WindowBatch:
    """What the products of a group of crops need.

    Attributes
    ----------
    sides : Sides
        Of the windows.
    intensity, own, inverse, load : Tensor, shape (crops, slices, rows, columns)
        Guide less its mean; factor of p_i in row i; one over the diagonal at unknown voxels, else
        0; right-hand side.
    mean, slope, constant : Tensor, shape (crops, windows along each axis)
        m, k and c of each window; k and c are 0 where a window leaves its crop.
    unknown, asked : Tensor of bool and of numbers
        Where alpha is asked for; 1 at those of its voxels that have an equation.
    """

    sides: Sides
    intensity: Tensor
    own: Tensor
    inverse: Tensor
    load: Tensor
    unknown: Tensor
    asked: Tensor
    mean: Tensor
    slope: Tensor
    constant: Tensor

    @classmethod
    def build(
        cls,
        crops: Sequence[Crop],
        sides: tuple[int, ...],
        ridge: float,
        learning: bool,
        device: torch.device,
        dtype: np.dtype,
    ) -> WindowBatch:
        """Pad the crops to one shape, send them to the device and set up their operators."""
        window = Sides(sides)
        shapes = [crop.shape for crop in crops]
        guide, trimap, known = upload(crops, shapes, device)
        unknown = trimap == 1
        valid = window.valid(shapes, device).to(torch.float64)
        n = window.count

        # Statistics in float64: variances of flat windows are differences of nearly equal sums.
        m = window.over_windows(guide) / n
        spread = (window.over_windows(guide * guide) - n * m * m).clamp_(min=0)
        if learning:
            mean, slope, constant = learned_models(m, spread, n, ridge)
        else:
            mean, slope, constant = m, 1 / (spread + ridge), torch.full_like(m, 1 / n)
        slope, constant = slope * valid, constant * valid

        own = window.over_holders(valid)
        if crops[0].weight is not None:
            weight = padded([crop.weight for crop in crops], shapes, device)
            prior = padded([crop.prior for crop in crops], shapes, device)
        square = window.over_holders(constant + slope * mean * mean)
        line = window.over_holders(slope * mean)
        diagonal = own - square + guide * (2 * line - guide * window.over_holders(slope))
        exact = cls(window, guide, own, own, own, unknown, own, mean, slope, constant)
        load = -exact.product(known)
        if crops[0].weight is not None:
            own, diagonal, load = own + weight, diagonal + weight, load + weight * prior
        # A voxel whose windows hold nothing else has no equation: it keeps its first guess.
        least = 1e-5 if dtype == np.float32 else 1e-12
        asked = unknown & (diagonal > least)
        inverse = torch.where(asked, 1 / diagonal.clamp(min=least), 0)
        load = torch.where(asked, load, 0)
        real = torch.float32 if dtype == np.float32 else torch.float64
        numbers = (t.to(real) for t in (guide, own, inverse, load))
        models = (t.to(real) for t in (asked, mean, slope, constant))
        return cls(window, *numbers, unknown, *models)

    def product(self, p: Tensor) -> Tensor:
        """L p for every crop."""
        s0, s1 = self.sides.over_windows(torch.cat((p, self.intensity * p))).chunk(2)
        a = self.slope * torch.addcmul(s1, self.mean, s0, value=-1)
        b = torch.addcmul(self.constant * s0, self.mean, a, value=-1)
        a, b = self.sides.over_holders(torch.cat((a, b))).chunk(2)
        left_out = torch.addcmul(b, self.intensity, a)
        return torch.addcmul(left_out.neg_(), self.own, p)

    def start(self, tolerance: float) -> State:
        """Conjugate gradients before the first step."""
        x = torch.where(self.unknown, _FIRST_GUESS, 0).to(self.load.dtype)
        r = (self.load - self.product(x)).mul_(self.asked)
        z = self.inverse * r
        norm, goal = _dot(r, r), tolerance**2 * _dot(self.load, self.load)
        return State(x, r, z, _dot(r, z), norm, goal, norm > goal)

    def step(self, state: State) -> State:
        """One iteration of every crop that has not converged."""
        q = self.product(state.p).mul_(self.asked)
        curvature = _dot(state.p, q)
        # L is positive semi-definite: no curvature is seen at rounding level only.
        going = state.going & (curvature > 0)
        length = torch.where(going, state.rho / curvature, 0)
        x = torch.addcmul(state.x, length, state.p)
        r = torch.addcmul(state.r, length, q, value=-1)
        z = self.inverse * r
        rho = _dot(r, z)
        norm = _dot(r, r)
        p = torch.addcmul(z, torch.where(going, rho / state.rho, 0), state.p)
        return State(x, r, p, rho, norm, state.goal, going & (norm > state.goal))

    def solve(
        self, tolerance: float, max_iterations: int, compile_step: bool = False
    ) -> tuple[npt.NDArray[np.float32], int]:
        """Jacobi-preconditioned conjugate gradients on all crops.

        Parameters
        ----------
        tolerance : float
            A crop stops when its residual's norm falls to this part of its right-hand side's.
        max_iterations : int
            At most so many products.
        compile_step : bool
            Whether to compile the iteration.

        Returns
        -------
        ndarray of float32, shape (crops, slices, rows, columns); int
            Alpha clipped to [0, 1], and how many crops did not converge.
        """
        with torch.inference_mode():
            return self._solve(tolerance, max_iterations, compile_step)

    def _solve(
        self, tolerance: float, max_iterations: int, compile_step: bool
    ) -> tuple[npt.NDArray[np.float32], int]:
        here, state = self, self.start(tolerance)
        advance = _compiled_step if compile_step else WindowBatch.step
        rows = torch.arange(len(state.x), device=state.x.device)
        answer = state.x.clone()
        unfinished = 0
        for done in range(max_iterations + 1):
            last = done == max_iterations
            if done % _CHECK_EVERY == 0 or last:
                going = state.going.flatten()
                left = int(going.sum())
                if left == 0 or last or 2 * left <= len(going):
                    answer[rows] = state.x
                    unfinished += int((state.norm > state.goal).flatten()[~going].sum())
                    if left == 0 or last:
                        unfinished += left
                        break
                    keep = going.nonzero().flatten()
                    rows, here, state = rows[keep], here.some(keep), _some(state, keep)
            state = advance(here, state)
        return answer.clamp_(0, 1).to(torch.float32).cpu().numpy(), unfinished

    def some(self, rows: Tensor) -> WindowBatch:
        """The operators of some of the crops."""
        return _some(self, rows)


def _some(whole, rows: Tensor):
    """The same dataclass with some rows of all its tensors."""
    values = (getattr(whole, field.name) for field in fields(whole))
    return type(whole)(*(v[rows] if isinstance(v, Tensor) else v for v in values))


def _dot(a: Tensor, b: Tensor) -> Tensor:
    """Of each crop, shape (crops, 1, 1, 1)."""
    return (a * b).sum((1, 2, 3), keepdim=True)


_compiled: list[Callable[[WindowBatch, State], State]] = []


def _compiled_step(batch: WindowBatch, state: State) -> State:
    """`WindowBatch.step`, compiled when it is first asked for."""
    if not _compiled:
        _compiled.append(torch.compile(WindowBatch.step, dynamic=True))
    return _compiled[0](batch, state)
