"""Why a lesion could not be segmented, in words for an operator.

Messages say what was found and what was expected. They hold no patient data: they end up in logs
and in `dicomnode explain`.
"""

from __future__ import annotations


class SegmentationError(ValueError):
    """A lesion cannot be segmented from what was given."""


class UnusableVolumeError(SegmentationError):
    """The CT crop has no usable voxels: wrong shape, wrong type or values that are not finite."""


class UnusableMarkError(SegmentationError):
    """The mark cannot be used with this volume: outside it, too large or too small."""


class EmptyMaskError(SegmentationError):
    """A mask that has to hold at least one voxel holds none."""


class TrimapError(SegmentationError):
    """A trimap that no matting method can start from."""


class UnknownParameterError(SegmentationError):
    """A parameter that does not exist, or a value that it cannot take."""


class NotConvergedWarning(RuntimeWarning):
    """A solver stopped before its answer was as exact as it was asked to be."""
