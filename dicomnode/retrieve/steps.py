"""What sources are asked for so that one lesion need not wait, one step after the other."""

from __future__ import annotations

import itertools
import logging
from functools import lru_cache

import pydicom

from dicomnode.faults import describe_fault
from dicomnode.receive.sop_classes import CT_CLASSES
from dicomnode.retrieve.waiting_lesion import Waiting
from dicomnode.retrieve.wanted import Want, WantedImages, wanted_images

logger = logging.getLogger(__name__)


def first_step(waiting: Waiting) -> Want | None:
    """What to ask for first; None where nothing is known that could be asked for.

    Of a series of which slices are here that is the series, else where the mark's object says that
    the images are.
    """
    absent = None if waiting.image_here else waiting.image_uid
    if absent is None and waiting.series_uid is not None and waiting.study_uid is not None:
        return Want(waiting.study_uid, series_instance_uid=waiting.series_uid)
    return next(iter(_search(waiting, absent, waiting.frame_uid)), None)


def next_step(waiting: Waiting, asked: str) -> Want | None:
    """What to ask for where what was asked for did not bring the image.

    Parameters
    ----------
    waiting : Waiting
    asked : str
        Words of the want.

    Returns
    -------
    Want or None
        None where that was no step to what the lesion waits for now, or all has been tried.
    """
    if waiting.image_here:  # the collector will say what it waits for then
        return None
    frame_uid = waiting.frame_uid or waiting.mark_frame_uid
    search = _search(waiting, waiting.image_uid, frame_uid)
    following = itertools.dropwhile(lambda want: want.words != asked, search)
    want = next(itertools.islice(following, 1, None), None)
    return None if want is None or want.words in waiting.asked_for else want


def _search(waiting: Waiting, image_uid: str | None, frame_uid: str | None) -> tuple[Want, ...]:
    study_uid = waiting.mark_study_uid
    search = _steps(waiting.mark_path, study_uid, image_uid, frame_uid)
    if waiting.seg_path is None:
        return search
    # The SEG that a report refers to names the images that it was drawn on; the report need not.
    both = dict.fromkeys((*_steps(waiting.seg_path, study_uid, image_uid, frame_uid), *search))
    return tuple(sorted(both, key=_uncertainty))


def _uncertainty(want: Want) -> int:
    """A series that is named comes before a search, and a search by image before one in space."""
    if want.series_instance_uid is not None:
        return 0
    return 1 if want.sop_instance_uid is not None else 2


# A stored object never changes, and what it refers to is looked up at each pass.


@lru_cache(maxsize=4096)
def _steps(
    path: str, study_instance_uid: str, image_uid: str | None, frame_uid: str | None
) -> tuple[Want, ...]:
    return _images_of(path, study_instance_uid).steps(image_uid, frame_uid, CT_CLASSES)


@lru_cache(maxsize=4)
def _images_of(path: str, study_instance_uid: str) -> WantedImages:
    """Images that a stored object refers to; of one that cannot be read only its study is known."""
    try:
        return wanted_images(pydicom.dcmread(path, stop_before_pixels=True))
    except Exception as error:  # it was kept, so that it was valid then
        logger.warning("retrieve.unreadable %s", describe_fault(error))
        return WantedImages(study_instance_uid, {}, {})
