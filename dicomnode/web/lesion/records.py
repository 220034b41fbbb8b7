"""From the number in an address to the lesion's row and files."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy.orm import Session

from dicomnode.jobs.publish import LesionFiles
from dicomnode.jobs.result_rows import lesion_files
from dicomnode.store.tables import Lesion


class NotShown(LookupError):
    """There is nothing to draw of a lesion; says why."""


@dataclass(frozen=True)
class LesionRecord:
    """A lesion that has a soft mask.

    Attributes
    ----------
    lesion : Lesion
        Its row, read and detached.
    files : LesionFiles
    """

    lesion: Lesion
    files: LesionFiles


def lesion_record(session: Session, lesion_id: int) -> LesionRecord:
    """Find a lesion that can be drawn.

    Raises
    ------
    NotShown
        If there is no such lesion, it has no soft mask, or its CT is here no longer.
    """
    lesion = session.get(Lesion, lesion_id)
    if lesion is None:
        raise NotShown(f"found no lesion {lesion_id}")
    if lesion.soft_mask_path is None or not lesion.slices:
        why = f": {lesion.reason}" if lesion.reason else ""
        raise NotShown(f"lesion {lesion_id} has no soft mask; it is {lesion.state.value}{why}")
    try:
        return LesionRecord(lesion, lesion_files(session, lesion))
    except KeyError:
        raise NotShown(f"the images of lesion {lesion_id} are no longer here") from None
