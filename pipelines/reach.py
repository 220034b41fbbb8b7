"""How far from a mark the pipeline looks at voxels: who fetches slices asks it, and who crops."""

from __future__ import annotations

from pipelines.recist import RecistAxes

REACH = 1.5
"""Of half the length of the mark, along any axis."""

MARGIN_MM = 4.0
"""And so much further."""

CONTEXT_MM = 6.0
"""How far beyond readers' masks the pipeline looks at voxels."""


def reach_mm(axes: RecistAxes) -> float:
    """How far from `axes.centre`, along any axis, the pipeline looks at voxels, in mm."""
    length = max(axes.long_mm, axes.short_mm or 0.0)
    return REACH * length / 2 + MARGIN_MM
