"""The sizes of a lesion as values: who only carries them need not load what measures them."""

from __future__ import annotations

from dataclasses import dataclass, field

from pipelines.recist import RecistAxes


@dataclass(frozen=True)
class Measurements:
    """Sizes of one lesion.

    A density-weighted mask is no occupancy: all of its sizes are None.

    Attributes
    ----------
    soft_volume_ml : float or None
        Sum of alpha times the volume of a voxel.
    core_volume_ml, outer_volume_ml : float or None
        Volume of the voxels with alpha of at least 0.75 and at least 0.25: an interval around the
        volume at 0.5.
    volume_ml : float or None
        Volume of the voxels with alpha of at least 0.5.
    long_mm, short_mm : float or None
        RECIST diameters of the voxels with alpha of at least 0.5, in the axial plane, on the slice
        where they are most; None where there is none. The axial plane is the plane of the grid
        whose normal is nearest to the patient's long axis: the slices of an axial or tilted stack,
        a plane across the slices of a sagittal or coronal one.
    axes : RecistAxes or None
        End points of these two diameters, LPS mm. Takes no part when measurements are compared:
        two axes of a round lesion may differ and yet be as long.
    diameter_3d_mm : float or None
        Greatest distance between two points of the surface alpha = 0.5, placed between voxels; None
        where there is none.
    band_width_mm : float or None
        Mean distance between the surfaces alpha = 0.25 and 0.75
        (`pipelines.level_surface.band_width_mm`); None where alpha never lies between.
    mean_hu : float or None
        Mean HU, weighted with alpha; None without a CT or where alpha is 0 everywhere.
    mass_mg : float or None
        Sum of alpha times the volume of a voxel times (HU + 1000) / 1000 mg per cubic millimetre,
        that of water being 1; None without a CT.
    """

    soft_volume_ml: float | None = None
    core_volume_ml: float | None = None
    volume_ml: float | None = None
    outer_volume_ml: float | None = None
    long_mm: float | None = None
    short_mm: float | None = None
    axes: RecistAxes | None = field(default=None, compare=False)
    diameter_3d_mm: float | None = None
    band_width_mm: float | None = None
    mean_hu: float | None = None
    mass_mg: float | None = None
