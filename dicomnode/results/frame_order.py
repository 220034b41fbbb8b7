"""The order of frames, for viewers that count them instead of reading where they lie."""

from __future__ import annotations

import numpy as np
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence as DicomSequence


def order_along_normal(parametric_map: Dataset) -> None:
    """Sort the frames of a Parametric Map of floats along the normal of its planes.

    The normal is the cross product of the directions of rows and of columns: from the feet to the
    head in an axial stack. highdicom writes frames the other way around. OHIF 3.13 takes the frames
    of a map for the slices of its volume, one by one along the normal, and would draw every value
    on the wrong slice. The standard leaves the order open (PS3.3 C.7.6.16.1.2).

    Parameters
    ----------
    parametric_map : Dataset
        With one frame a position, and the position as its only dimension. Changed in place.
    """
    shared = parametric_map.SharedFunctionalGroupsSequence[0]
    directions = np.array(
        shared.PlaneOrientationSequence[0].ImageOrientationPatient, dtype=np.float64
    ).reshape(2, 3)
    frames = parametric_map.PerFrameFunctionalGroupsSequence
    positions = np.array(
        [frame.PlanePositionSequence[0].ImagePositionPatient for frame in frames], dtype=np.float64
    )
    order = np.argsort(positions @ np.cross(*directions), kind="stable")
    values = np.frombuffer(parametric_map.FloatPixelData, "<f4").reshape(len(frames), -1)
    parametric_map.FloatPixelData = values[order].tobytes()
    parametric_map.PerFrameFunctionalGroupsSequence = DicomSequence([frames[i] for i in order])
    for place, frame in enumerate(parametric_map.PerFrameFunctionalGroupsSequence, start=1):
        frame.FrameContentSequence[0].DimensionIndexValues = place
