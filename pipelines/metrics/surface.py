"""How far apart the surfaces of two binary masks lie, in mm."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage
from scipy.spatial import cKDTree

from pipelines.errors import EmptyMaskError
from pipelines.metrics.pair import masks


@dataclass(frozen=True)
class SurfaceDistances:
    """Distances between two surfaces.

    Attributes
    ----------
    mean_mm : float
        Over the surface voxels of both masks, the mean distance to the other surface.
    hausdorff95_mm : float
        For each of the two surfaces the distance that 95 % of its voxels keep to the other one;
        the greater of the two.
    hausdorff_mm : float
        The greatest distance of any surface voxel to the other surface.
    """

    mean_mm: float
    hausdorff95_mm: float
    hausdorff_mm: float


def _surface(mask: npt.NDArray[np.bool_], spacing: npt.NDArray[np.float64]) -> npt.NDArray:
    """Centres in mm of the voxels that have a face outside of the mask, shape (n, axes)."""
    inner = ndimage.binary_erosion(mask, border_value=0)
    return np.argwhere(mask & ~inner) * spacing


def surface_distances(
    a: npt.ArrayLike, g: npt.ArrayLike, spacing: tuple[float, ...]
) -> SurfaceDistances:
    """Distances between the surfaces of two masks.

    A surface is the set of centres of voxels that have a face outside of the mask or at the
    array's border. Axes of length one are left out: one slice is measured as an image.

    Parameters
    ----------
    a, g : array_like, bool, same shape
        Prediction and reference.
    spacing : tuple of float
        Voxel size in mm, one for each axis.

    Raises
    ------
    ValueError
        If shapes differ, a mask is not boolean or the spacing does not fit.
    EmptyMaskError
        If a mask is empty: it has no surface.
    """
    a, g = masks(a, g)
    if len(spacing) != a.ndim or not all(np.isfinite(s) and s > 0 for s in spacing):
        raise ValueError(f"found spacing {spacing}, expected {a.ndim} lengths in mm")
    if not (a.any() and g.any()):
        raise EmptyMaskError("found an empty mask, expected two masks with a surface")
    size = np.array([s for s, n in zip(spacing, a.shape, strict=True) if n > 1])
    if not size.size:
        return SurfaceDistances(0.0, 0.0, 0.0)
    of_a, of_g = _surface(a.squeeze(), size), _surface(g.squeeze(), size)
    to_g, to_a = cKDTree(of_g).query(of_a)[0], cKDTree(of_a).query(of_g)[0]
    return SurfaceDistances(
        mean_mm=float((to_g.sum() + to_a.sum()) / (to_g.size + to_a.size)),
        hausdorff95_mm=float(max(np.percentile(to_g, 95), np.percentile(to_a, 95))),
        hausdorff_mm=float(max(to_g.max(), to_a.max())),
    )
