"""Marks that name the image that a concatenation was made of, which nobody has."""

from __future__ import annotations

from dataclasses import replace
from typing import TypeVar

from sqlalchemy.orm import Session

from dicomnode.collect.ct import SeriesOfPass
from dicomnode.marks import RecistMark
from dicomnode.marks.lesion_mark import LesionMark
from dicomnode.marks.outline import Contour

Drawn = TypeVar("Drawn", RecistMark, Contour)


def in_parts(session: Session, mark: LesionMark, known: SeriesOfPass) -> LesionMark:
    """Name the parts of concatenations where a mark names the image that they were made of.

    A viewer may put the parts together, and name a frame of the whole by the SOP Instance UID of
    Concatenation Source (0020,0242). Concatenation Frame Offset Number (0020,9228) says which part
    holds it (PS3.3 C.7.6.16.2.2.4). A segment stays as it is: frames of a SEG have their places.

    Parameters
    ----------
    session : Session
    mark : LesionMark
    known : SeriesOfPass
        Gets what is read.

    Raises
    ------
    NotYet
        If the part that holds a frame has not come.
    Unusable
        If points in pixels name no frame of several, or one that the concatenation does not have.
    """
    opinions = []
    for opinion in mark.opinions:
        axes, outline = opinion.axes, opinion.outline
        if axes is not None:
            axes = _in_parts(session, axes, known)
        if outline is not None:
            contours = tuple(_in_parts(session, one, known) for one in outline.contours)
            outline = replace(outline, contours=contours)
        opinions.append(replace(opinion, axes=axes, outline=outline))
    return LesionMark(tuple(opinions))


def _in_parts(session: Session, drawn: Drawn, known: SeriesOfPass) -> Drawn:
    uid, frame = drawn.referenced_sop_instance_uid, drawn.referenced_frame
    series = None if uid is None else known.concatenated_in(session, uid)
    if series is None:
        return drawn
    if frame is None and drawn.in_space:  # its points say which frame
        return replace(drawn, referenced_sop_instance_uid=None)
    part, number = known.enhanced(session, series).part_with(uid, frame)
    return replace(drawn, referenced_sop_instance_uid=part, referenced_frame=number)
