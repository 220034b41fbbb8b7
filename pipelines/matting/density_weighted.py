"""The "+" variants: the density of the foreground instead of 1.

Wang et al., 3D Matting, section 4.2, eq. 28. A foreground voxel counts as pure lesion only within a
range of HU; below and above it counts for less. Only the known alpha of the foreground changes; the
method that spreads it stays as it is.

What comes out is a density-weighted mask. It is another quantity than the occupancy that the plain
methods estimate: its sum is not a volume, and on nodules it comes out about a fifth too low as one.
Keep the two apart by name.
"""

from __future__ import annotations

import functools
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from pipelines.errors import UnknownParameterError, UnusableVolumeError

Method = Callable[..., npt.NDArray[np.float32]]

LUNG_WINDOW = (-1350.0, 150.0)
"""HU of the usual lung window, level -600 and width 1500."""

_RISING: dict[str, Callable[[npt.NDArray], npt.NDArray]] = {
    "linear": lambda t: t,
    "smoothstep": lambda t: t * t * (3 - 2 * t),
    "square-root": np.sqrt,
    "square": np.square,
}
"""Monotone from 0 at 0 to 1 at 1."""

FALLS = ("one", *_RISING)
"""Names that `above` may take; all but the first are also those of `below`."""


def foreground_alpha(
    image: npt.NDArray,
    window: tuple[float, float] = LUNG_WINDOW,
    *,
    below: str = "linear",
    above: str = "one",
    pure_up_to: float | None = None,
    zero_at: float | None = None,
) -> npt.NDArray[np.float32]:
    """Alpha of a foreground voxel by its HU (eq. 28).

    Parameters
    ----------
    image : ndarray of any shape
        Intensities in HU.
    window : tuple of float
        Display window (low, high) in HU. The paper's l_low is its upper limit: from there on a
        voxel is pure lesion. Below `low` alpha is 0.
    below : str
        q, how alpha rises from `low` to `high`: "linear" as in the paper, "smoothstep",
        "square-root" or "square".
    above : str
        p, for HU over l_high: "one", or how alpha falls from there to `zero_at`, by the same names.
    pure_up_to : float, optional
        l_high in HU, at least the window's upper limit; where `above` is not "one". The paper gives
        no value.
    zero_at : float, optional
        HU, greater than `pure_up_to`, from which on alpha is 0; where `above` is not "one".

    Returns
    -------
    ndarray of float32, same shape
        In [0, 1].

    Raises
    ------
    UnusableVolumeError
        If HU are not real and finite.
    UnknownParameterError
        If a name is unknown, or window, `pure_up_to` and `zero_at` do not increase.
    """
    _check(window, below, above, pure_up_to, zero_at)
    image = np.asarray(image)
    if image.dtype.kind not in "iuf" or not np.isfinite(image).all():
        raise UnusableVolumeError("found intensities that are not finite real numbers")
    hu = image.astype(np.float64)
    low, high = window
    alpha = _RISING[below](np.clip((hu - low) / (high - low), 0, 1))
    if above != "one":
        left = np.clip((zero_at - hu) / (zero_at - pure_up_to), 0, 1)
        alpha = np.minimum(alpha, _RISING[above](left))
    return alpha.astype(np.float32)


def density_weighted(method: Method) -> Method:
    """The "+" variant of a matting method.

    Parameters
    ----------
    method : callable
        Takes ``(image, trimap, spacing, *, foreground=None, ...)``.

    Returns
    -------
    callable
        Takes the same, less `foreground`, and the keywords `density_window`, `below`, `above`,
        `pure_up_to` and `zero_at` of `foreground_alpha`; the method's own `window` stays its own.
        Gives the density-weighted mask.
    """

    @functools.wraps(method)
    def variant(
        image: npt.NDArray,
        trimap: npt.NDArray,
        spacing: tuple[float, ...],
        *,
        density_window: tuple[float, float] = LUNG_WINDOW,
        below: str = "linear",
        above: str = "one",
        pure_up_to: float | None = None,
        zero_at: float | None = None,
        **parameters: object,
    ) -> npt.NDArray[np.float32]:
        if parameters.get("foreground") is not None:
            raise UnknownParameterError("foreground: a density-weighted variant sets it itself")
        density = foreground_alpha(
            image,
            density_window,
            below=below,
            above=above,
            pure_up_to=pure_up_to,
            zero_at=zero_at,
        )
        return method(image, trimap, spacing, **{**parameters, "foreground": density})

    variant.__name__ = f"{method.__name__}_density_weighted"
    variant.__doc__ = (
        f"Density-weighted variant of `{method.__name__}` (eq. 28).\n\n"
        "    Not an occupancy; its sum is not a volume. Parameters as there, less `foreground`,\n"
        "    and those of `pipelines.matting.density_weighted.foreground_alpha`.\n    "
    )
    return variant


def _check(
    window: tuple[float, float],
    below: str,
    above: str,
    pure_up_to: float | None,
    zero_at: float | None,
) -> None:
    low, high = window
    if not (np.isfinite(low) and np.isfinite(high) and low < high):
        raise UnknownParameterError(f"window: found {window}, expected (low, high) in HU")
    if below not in _RISING:
        raise UnknownParameterError(f"below: found {below!r}, expected one of {list(_RISING)}")
    if above not in FALLS:
        raise UnknownParameterError(f"above: found {above!r}, expected one of {list(FALLS)}")
    if above == "one":
        if pure_up_to is not None or zero_at is not None:
            raise UnknownParameterError(
                'found pure_up_to or zero_at with above="one", expected neither'
            )
        return
    ends = (pure_up_to, zero_at)
    if None in ends or not np.isfinite(ends).all() or not high <= pure_up_to < zero_at:
        raise UnknownParameterError(
            f"found pure_up_to {pure_up_to} and zero_at {zero_at}, expected HU with "
            f"{high} <= pure_up_to < zero_at"
        )
