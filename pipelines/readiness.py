"""Takes the wait for compilers out of the first lesion."""

from __future__ import annotations

from collections.abc import Collection

import highdicom as hd
import numpy as np

from pipelines.lesion import soft_mask_from_recist
from pipelines.parameters import DEFAULT_METHOD
from pipelines.recist import RecistAxes

_GHOST_NETWORK = "3dmm-mg"


def compile_kernels(methods: Collection[str] = ()) -> None:
    """Compile, or load from the cache on disk, every kernel of the default method.

    Half a minute on a machine that never did it, a second later on. Segments a ball in air.

    Parameters
    ----------
    methods : collection of str
        Methods that will be asked for; where the ghost network is among them, its kernels too.
    """
    segment_a_ball()
    if _GHOST_NETWORK in methods:
        # Only here: a node without networks has no PyTorch.
        from pipelines.networks.ghost_on_cpu import compile_ghost_kernels

        compile_ghost_kernels()


def segment_a_ball(method: str = DEFAULT_METHOD) -> None:
    """Run a method on a ball in air: all that it compiles or loads is there then."""
    grid = np.ogrid[:20, :40, :40]
    distance = np.sqrt(
        sum(((g - n / 2) / (n / 12)) ** 2 for g, n in zip(grid, (20, 40, 40), strict=True))
    )
    hu = np.clip(40 - 900 * (distance - 3), -860, 40).astype(np.int16)
    volume = hd.Volume(hu, np.diag([2.0, 1.0, 1.0, 1.0]), coordinate_system="PATIENT")
    axes = RecistAxes([[20, 10, 20], [20, 30, 20]], [[20, 20, 10], [20, 20, 30]])
    soft_mask_from_recist(volume, axes, method=method)
