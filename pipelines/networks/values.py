"""HU as the values that a network was trained on."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from models.registry import InputContract


def windowed(hu: npt.NDArray, contract: InputContract) -> npt.NDArray[np.float32]:
    """Values of a network's input; the same in training and at inference.

    Parameters
    ----------
    hu : ndarray
        HU, any shape.
    contract : InputContract
        One with a window.

    Returns
    -------
    ndarray of float32
        From the first to the last of ``contract.values``.

    Raises
    ------
    ValueError
        If the contract has no window.
    """
    if contract.window_hu is None:
        raise ValueError(f"found a contract of kind {contract.kind!r} without a window in HU")
    low, high = contract.window_hu
    first, last = contract.values
    share = (np.asarray(hu, np.float32) - low) / (high - low)
    return (first + (last - first) * np.clip(share, 0, 1)).astype(np.float32)
