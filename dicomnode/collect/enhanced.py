"""The frames of a series of enhanced CT: which are here, and which of them form one stack."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np
from sqlalchemy import select
from sqlalchemy.orm import Session

from dicomnode.collect.ct_frame import CtFrame
from dicomnode.collect.stack import NotYet, Slice, Unusable
from dicomnode.frames import (
    Concatenation,
    Frame,
    FrameObject,
    UnreadableFrames,
    UnsuitableFrame,
    check_frame,
    read_frame_file,
    split_into_stacks,
)
from dicomnode.marks.quality import ENHANCED_CT_CLASSES
from dicomnode.store.tables import Instance

_NO_STACK = -1


class EnhancedSeries:
    """All frames of one series that are here, from the headers of its objects.

    Parameters
    ----------
    session : Session
    series_instance_uid : str

    Raises
    ------
    Unusable
        If the frames of an object cannot be read.
    """

    def __init__(self, session: Session, series_instance_uid: str) -> None:
        rows = session.scalars(
            select(Instance)
            .where(
                Instance.series_instance_uid == series_instance_uid,
                Instance.sop_class_uid.in_(ENHANCED_CT_CLASSES),
            )
            .order_by(Instance.sop_instance_uid)
        ).all()
        read = {row.sop_instance_uid: _read(row) for row in rows}
        self._parts = {uid: found.concatenation for uid, found in read.items()}
        self._without_place = Counter(
            _kind(frame) for found in read.values() for frame in found.frames if frame.plane is None
        )
        stacks = split_into_stacks([f for found in read.values() for f in found.frames])
        of_stack = {frame.name: i for i, stack in enumerate(stacks) for frame in stack}
        self._frames = {
            uid: tuple(
                CtFrame(row, frame, (series_instance_uid, of_stack.get(frame.name, _NO_STACK)))
                for frame in read[uid].frames
            )
            for uid, row in ((row.sop_instance_uid, row) for row in rows)
        }
        by_name = {frame.name: frame for frames in self._frames.values() for frame in frames}
        self.stacks = tuple(tuple(by_name[frame.name] for frame in stack) for stack in stacks)

    def frame(self, sop_instance_uid: str, number: int | None) -> CtFrame:
        """The frame that an object names.

        Parameters
        ----------
        sop_instance_uid : str
            Of an object that is here.
        number : int or None
            From 1; None where the object names the whole image.

        Raises
        ------
        NotYet
            If the object came while the pass was under way.
        Unusable
            If there is no such frame, none of several is named, or it is no CT slice.
        """
        frames = self._frames.get(sop_instance_uid)
        if frames is None:
            raise NotYet(f"the image {sop_instance_uid} is being looked at")
        if number is None and len(frames) > 1:
            raise Unusable(
                f"the mark names the image {sop_instance_uid} of {len(frames)} frames, and no "
                "frame of it"
            )
        if number is not None and not 1 <= number <= len(frames):
            raise Unusable(
                f"the mark names frame {number} of the image {sop_instance_uid}, which has "
                f"{len(frames)}"
            )
        return check_ct_frame(frames[(number or 1) - 1])

    def part_with(self, source_uid: str, number: int | None) -> tuple[str, int]:
        """The part of a concatenation that holds a frame of the image that it was made of.

        Parameters
        ----------
        source_uid : str
            SOP Instance UID of Concatenation Source.
        number : int or None
            Of the frame in that image, from 1.

        Returns
        -------
        str, int
            SOP Instance UID of the part, and the frame's number in it.

        Raises
        ------
        NotYet
            If that part has not come.
        Unusable
            If no frame is named, or one that the concatenation does not have.
        """
        if number is None:
            raise Unusable(
                f"the mark names the image {source_uid} of a concatenation, and no frame of it"
            )
        parts = {
            uid: found
            for uid, found in self._parts.items()
            if found is not None and found.source_uid == source_uid
        }
        for uid, found in parts.items():
            own = None if found.frame_offset is None else number - found.frame_offset
            if own is not None and 1 <= own <= len(self._frames[uid]):
                return uid, own
        if _is_whole(list(parts.values())):
            raise Unusable(
                f"the mark names frame {number} of the image {source_uid}, and no part of its "
                "concatenation holds it"
            )
        raise NotYet(
            f"the part with frame {number} of the image {source_uid} has not come", image=source_uid
        )

    def slices(self, key: CtFrame) -> tuple[Slice, ...]:
        """All slices of the stack that a frame belongs to.

        Frames are numbered by In-Stack Position where all of the stack have one of their own. Where
        they are of one object they are numbered along the normal, for what an object does not
        hold will not come. Else nothing tells whether a frame lies between two others.

        Raises
        ------
        Unusable
            If frames that may be of the stack have no place.
        """
        lost = self._without_place[_kind(key.frame)]
        if lost:
            raise Unusable(
                f"{lost} frame(s) of the series that may be of the mark's stack have no usable "
                "position"
            )
        stack = self._stack_of(key)
        numbers: Sequence[int | None] = [frame.frame.in_stack_position for frame in stack]
        if None in numbers or len(set(numbers)) < len(numbers):
            numbers = [None] * len(stack)
            if len({self._object(frame) for frame in stack}) == 1:
                normal = key.frame.plane.normal
                along = [np.asarray(frame.image_position) @ normal for frame in stack]
                numbers = (np.argsort(np.argsort(along, kind="stable")) + 1).tolist()
        return tuple(
            Slice(frame.sop_instance_uid, frame.frame.plane, number, frame.number)
            for frame, number in zip(stack, numbers, strict=True)
        )

    def is_whole(self, key: CtFrame) -> bool | None:
        """Whether the object that holds a frame is whole; None where nothing says so.

        The parts of a concatenation are one object (PS3.3 C.7.6.16.2.2.4).
        """
        found = self._parts[key.sop_instance_uid]
        if found is None:
            return None
        return _is_whole([c for c in self._parts.values() if c is not None and c.uid == found.uid])

    def _stack_of(self, key: CtFrame) -> tuple[CtFrame, ...]:
        return self.stacks[key.stack[1]]

    def _object(self, frame: CtFrame) -> str:
        found = self._parts[frame.sop_instance_uid]
        return frame.sop_instance_uid if found is None else found.uid


def check_ct_frame(frame: CtFrame) -> CtFrame:
    """Give back a frame that is a CT slice.

    Raises
    ------
    Unusable
        If it is something else.
    """
    try:
        check_frame(frame.frame)
    except UnsuitableFrame as problem:
        raise Unusable(str(problem)) from None
    return frame


def suitable_frames(series: EnhancedSeries) -> Iterator[CtFrame]:
    """Yield the frames that have a place and are CT slices."""
    for stack in series.stacks:
        for frame in stack:
            try:
                check_frame(frame.frame)
            except UnsuitableFrame:
                continue
            yield frame


def the_one_meant(frames: Sequence[CtFrame], where: str) -> CtFrame:
    """Of frames of several stacks at one place, the only one, or the only original one.

    Parameters
    ----------
    frames : sequence of CtFrame
        One of each stack.
    where : str
        What lies there, such as ``the mark``.

    Raises
    ------
    Unusable
        If several may be meant.
    """
    originals = [frame for frame in frames if frame.frame.is_original]
    for choice in (frames, originals):
        if len(choice) == 1:
            return choice[0]
    numbers = ", ".join(str(frame.number) for frame in frames[:6])
    raise Unusable(
        f"{where} lies on {len(frames)} stacks of frames at once (frames {numbers}), and names none"
    )


def _kind(frame: Frame) -> tuple:
    return frame.frame_type, frame.stack_id


def _read(row: Instance) -> FrameObject:
    try:
        return _frames_of(row.path, os.stat(row.path).st_mtime_ns)
    except UnreadableFrames as problem:
        raise Unusable(f"the image {row.sop_instance_uid}: {problem}") from None


@lru_cache(maxsize=8)  # lesions on one object are looked at again and again
def _frames_of(path: str, changed_ns: int) -> FrameObject:
    return read_frame_file(Path(path))


def _is_whole(parts: Sequence[Concatenation]) -> bool | None:
    totals = {part.total for part in parts} - {None}
    if len(totals) != 1:
        return None
    (total,) = totals
    return {part.number for part in parts} >= set(range(1, total + 1))
