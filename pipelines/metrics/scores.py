"""The four matting metrics together, and the factors with which papers print them.

| paper | SAD | MSE | Grad | Conn |
| --- | --- | --- | --- | --- |
| Wang et al., 3D Matting (conference and journal tables) | 1e-2 | 1e3 | 1e-2 | 1e-2 |
| Region-aware implicit network for medical matting | 1e-3 | 1 | 1e-3 | 1e-3 |

Overlap (Dice, sensitivity, PPV) is printed in per cent by all. SAD, Grad and Conn grow with the
volume that is scored, and no paper states that volume: figures of different crops do not compare.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy.typing as npt

from pipelines.metrics.connectivity import connectivity_error
from pipelines.metrics.difference import mse, sad
from pipelines.metrics.gradient import gradient_error


@dataclass(frozen=True)
class Scale:
    """Factors by which a paper multiplies SAD, MSE, Grad and Conn."""

    sad: float
    mse: float
    grad: float
    conn: float


JOURNAL_SCALE = Scale(sad=1e-2, mse=1e3, grad=1e-2, conn=1e-2)
REGION_AWARE_SCALE = Scale(sad=1e-3, mse=1.0, grad=1e-3, conn=1e-3)


@dataclass(frozen=True)
class MattingScores:
    """SAD, MSE, Grad and Conn of one soft mask, without factors unless `scaled`."""

    sad: float
    mse: float
    grad: float
    conn: float

    def scaled(self, scale: Scale) -> MattingScores:
        """The same as a paper prints them."""
        return MattingScores(
            sad=self.sad * scale.sad,
            mse=self.mse * scale.mse,
            grad=self.grad * scale.grad,
            conn=self.conn * scale.conn,
        )


def score(a: npt.ArrayLike, g: npt.ArrayLike) -> MattingScores:
    """All four metrics of one soft mask.

    Parameters
    ----------
    a, g : array_like, same shape
        Prediction and reference, alpha in [0, 1].

    Raises
    ------
    ValueError
        If shapes differ, there is no voxel or values are not finite.
    """
    return MattingScores(
        sad=sad(a, g), mse=mse(a, g), grad=gradient_error(a, g), conn=connectivity_error(a, g)
    )
