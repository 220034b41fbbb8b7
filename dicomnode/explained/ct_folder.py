"""The CT slices in a folder, found by UID or by the plane that a mark lies in."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from dicomnode.jobs.read_volume import read_volume
from dicomnode.marks import ImagePlane, NoGeometry
from dicomnode.marks.quality import UnsuitableImage, check_image
from dicomnode.receive.folder import find_instances
from dicomnode.receive.sop_classes import CT_CLASSES
from dicomnode.store.received import InstanceHeader


@dataclass(frozen=True, eq=False)
class CtSlice:
    """One CT image.

    Attributes
    ----------
    path : Path
    header : InstanceHeader
    plane : ImagePlane or None
        None where the image has no usable geometry. Its slice spacing is the slice thickness, as
        marks in space may lie half of that off.
    """

    path: Path
    header: InstanceHeader
    plane: ImagePlane | None

    @property
    def uid(self) -> str:
        """SOP Instance UID."""
        return self.header.sop_instance_uid

    def hounsfield(self) -> npt.NDArray[np.float32]:
        """HU, shape (rows, columns).

        Raises
        ------
        SegmentationError
            If the pixels cannot be decoded.
        """
        volume, _ = read_volume([self.path], 0)
        return np.asarray(volume.array[0])


class CtFolder:
    """CT images by UID and by place.

    Parameters
    ----------
    slices : iterable of CtSlice
    """

    def __init__(self, slices: Iterable[CtSlice]) -> None:
        self._by_uid = {one.uid: one for one in slices}

    @classmethod
    def read(cls, folder: Path) -> CtFolder:
        """All CT images below a folder; other files are passed over.

        Raises
        ------
        NotADirectoryError
            If it is none.
        """
        found = []
        for finding in find_instances(folder):
            received = finding.received
            if received is not None and received.header.sop_class_uid in CT_CLASSES:
                found.append(CtSlice(finding.path, received.header, _plane(received.header)))
        return cls(found)

    def __len__(self) -> int:
        return len(self._by_uid)

    def by_uid(self, uid: str) -> CtSlice | None:
        """The image with this SOP Instance UID."""
        return self._by_uid.get(uid)

    def nearest(
        self, points: npt.NDArray[np.float64], frame_of_reference_uid: str | None
    ) -> CtSlice | None:
        """The slice of a frame of reference that lies nearest to points in space.

        Parameters
        ----------
        points : ndarray, shape (n, 3)
            LPS mm.
        frame_of_reference_uid : str or None
            The space that they are in.

        Returns
        -------
        CtSlice or None
            Of two at one place, that with the thinner slices. None where the folder holds no CT
            slice of this space; how far off the slice is, is for the caller to judge.
        """
        candidates = []
        for one in self._by_uid.values():
            if one.plane is None or one.header.frame_of_reference_uid != frame_of_reference_uid:
                continue
            try:
                check_image(one.header)
            except UnsuitableImage:
                continue
            off = round(float(one.plane.distance_mm(points).max()), 2)
            candidates.append((off, one.header.slice_thickness or np.inf, one.uid))
        return self._by_uid[min(candidates)[2]] if candidates else None


def _plane(header: InstanceHeader) -> ImagePlane | None:
    thickness = header.slice_thickness
    try:
        return ImagePlane.from_header(header, thickness if thickness and thickness > 0 else None)
    except NoGeometry:
        return None
