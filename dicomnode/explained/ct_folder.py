"""The CT slices in a folder, found by UID and frame or by the plane that a mark lies in."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from dicomnode.frames import (
    Frame,
    FrameFile,
    UnreadableFrames,
    UnsuitableFrame,
    check_frame,
    read_frame_file,
    split_into_stacks,
)
from dicomnode.jobs.read_volume import read_volume
from dicomnode.marks import ImagePlane, NoGeometry, Unplaceable
from dicomnode.marks.quality import ENHANCED_CT_CLASSES, UnsuitableImage, check_image
from dicomnode.marks.slice_name import slice_name
from dicomnode.receive.folder import find_instances
from dicomnode.receive.sop_classes import CT_CLASSES
from dicomnode.store.received import InstanceHeader


@dataclass(frozen=True, eq=False)
class CtSlice:
    """One CT image, or one frame of an enhanced one.

    Attributes
    ----------
    path : Path
    header : InstanceHeader
        With the geometry of the frame, where it is one.
    plane : ImagePlane or None
        None where the image has no usable geometry. Its slice spacing is the slice thickness, as
        marks in space may lie half of that off.
    frame : Frame or None
        None for a single-frame image.
    stack : int
        Which stack of its object a frame belongs to.
    whole : tuple of (str, int) or None
        Of a frame of a concatenation, the image that was divided into it, and the frame's number
        there (PS3.3 C.7.6.16.2.2.4).
    """

    path: Path
    header: InstanceHeader
    plane: ImagePlane | None
    frame: Frame | None = None
    stack: int = 0
    whole: tuple[str, int] | None = None

    @property
    def uid(self) -> str:
        """SOP Instance UID."""
        return self.header.sop_instance_uid

    @property
    def name(self) -> str:
        """As `slice_name`."""
        return slice_name(self.uid, None if self.frame is None else self.frame.number)

    @property
    def usable_plane(self) -> ImagePlane:
        """The plane.

        Raises
        ------
        Unplaceable
            If there is none.
        """
        if self.plane is None:
            raise Unplaceable("the image has no usable position, orientation, spacing or size")
        return self.plane

    def check(self) -> None:
        """Refuse what is no CT slice.

        Raises
        ------
        UnsuitableImage
            If it is something else.
        """
        check_image(self.header)
        if self.frame is not None:
            try:
                check_frame(self.frame)
            except UnsuitableFrame as problem:
                raise UnsuitableImage(str(problem)) from None

    def hounsfield(self) -> npt.NDArray[np.float32]:
        """HU, shape (rows, columns).

        Raises
        ------
        SegmentationError
            If the pixels cannot be decoded.
        """
        file = self.path if self.frame is None else FrameFile(self.path, self.frame.number)
        volume, _ = read_volume([file], 0)
        return np.asarray(volume.array[0])


class CtFolder:
    """CT images by UID and by place.

    Parameters
    ----------
    slices : iterable of CtSlice
    """

    def __init__(self, slices: Iterable[CtSlice]) -> None:
        self._by_name = {one.name: one for one in slices}
        self._frames: dict[str, list[CtSlice]] = {}
        for one in self._by_name.values():
            if one.frame is not None:
                self._frames.setdefault(one.uid, []).append(one)
        self._of_whole = {one.whole: one for one in self._by_name.values() if one.whole}

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
            if received is None or received.header.sop_class_uid not in CT_CLASSES:
                continue
            if received.header.sop_class_uid in ENHANCED_CT_CLASSES:
                found.extend(_frames(finding.path, received.header))
            else:
                found.append(CtSlice(finding.path, received.header, _plane(received.header)))
        return cls(found)

    def __len__(self) -> int:
        return len(self._by_name)

    def by_uid(self, uid: str, frame: int | None = None) -> CtSlice | None:
        """The image with this SOP Instance UID; of an enhanced one the frame, from 1.

        Of a concatenation the frame may be named by the image that was divided into it.

        Raises
        ------
        UnsuitableImage
            If it has several frames and none is named, or has no such frame.
        """
        frames = self._frames.get(uid)
        if frames is None:
            return self._by_name.get(uid) or self._of_whole.get((uid, frame))
        if frame is None and len(frames) > 1:
            raise UnsuitableImage(
                f"the image {uid} has {len(frames)} frames, and no frame of it is named"
            )
        if frame is not None and not 1 <= frame <= len(frames):
            raise UnsuitableImage(f"frame {frame} is named, the image {uid} has {len(frames)}")
        return frames[(frame or 1) - 1]

    def has_frames(self, uid: str) -> bool:
        """Whether this is an enhanced image of the folder, or was divided into some."""
        return uid in self._frames or any(uid == whole for whole, _ in self._of_whole)

    def by_name(self, name: str) -> CtSlice | None:
        """The slice of that `CtSlice.name`."""
        return self._by_name.get(name)

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

        Raises
        ------
        UnsuitableImage
            If frames of several stacks of one image are as near, and not one of them is original.
        """
        candidates = []
        for one in self._by_name.values():
            if one.plane is None or one.header.frame_of_reference_uid != frame_of_reference_uid:
                continue
            try:
                one.check()
            except UnsuitableImage:
                continue
            off = round(float(one.plane.distance_mm(points).max()), 2)
            candidates.append((off, one.header.slice_thickness or np.inf, one.name))
        if not candidates:
            return None
        best = min(candidates)
        nearest = self._by_name[best[2]]
        near = (self._by_name[name] for off, _, name in candidates if off == best[0])
        return _meant({one.stack: one for one in near if one.uid == nearest.uid})


def _meant(stacks: dict[int, CtSlice]) -> CtSlice:
    """Of one slice of each stack the only one, or the only original one."""
    originals = [one for one in stacks.values() if one.frame is not None and one.frame.is_original]
    for choice in (list(stacks.values()), originals):
        if len(choice) == 1:
            return choice[0]
    raise UnsuitableImage(f"it lies on {len(stacks)} stacks of frames at once, and names none")


def _frames(path: Path, header: InstanceHeader) -> Iterator[CtSlice]:
    """All frames of an enhanced image; none where they cannot be read."""
    try:
        read = read_frame_file(path)
    except UnreadableFrames:
        return
    found, part = read.frames, read.concatenation
    if part is not None and None in (part.source_uid, part.frame_offset):
        part = None
    stacks = split_into_stacks(found)
    of_stack = {frame.number: i for i, stack in enumerate(stacks) for frame in stack}
    for frame in found:
        plane = frame.plane
        yield CtSlice(
            path,
            replace(
                header,
                image_position=None if plane is None else plane.position,
                image_orientation=None if plane is None else plane.orientation,
                pixel_spacing=None if plane is None else plane.pixel_spacing,
                slice_thickness=frame.slice_thickness,
            ),
            plane,
            frame,
            of_stack.get(frame.number, -1),
            None if part is None else (part.source_uid, part.frame_offset + frame.number),
        )


def _plane(header: InstanceHeader) -> ImagePlane | None:
    thickness = header.slice_thickness
    try:
        return ImagePlane.from_header(header, thickness if thickness and thickness > 0 else None)
    except NoGeometry:
        return None
