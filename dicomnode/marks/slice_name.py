"""One name for a slice, be it an image of its own or a frame of an enhanced one."""

from __future__ import annotations


def slice_name(sop_instance_uid: str, frame: int | None) -> str:
    """The SOP Instance UID; for a frame followed by ``#`` and its number, from 1.

    Lists of slices in the database hold such names. No UID has a ``#`` (PS3.5 9.1).
    """
    return sop_instance_uid if frame is None else f"{sop_instance_uid}#{frame}"


def frame_of(name: str) -> tuple[str, int | None]:
    """SOP Instance UID and frame number that `slice_name` made a name of."""
    uid, _, number = name.partition("#")
    return uid, int(number) if number else None
