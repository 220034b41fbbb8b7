"""One attempt at one source: find the series of what is wanted, and fetch what is not here."""

from __future__ import annotations

from collections.abc import Set
from dataclasses import dataclass

from dicomnode.receive.sop_classes import CT_CLASSES, IMAGE_CLASSES
from dicomnode.retrieve.budget import Budget
from dicomnode.retrieve.source import Asking, Failed, FoundImage, FoundSeries, NotThere
from dicomnode.retrieve.wanted import Want
from dicomnode.settings import RetrieveSettings

_MAX_SERIES = 16
"""CT series of one study that are fetched for one frame of reference."""


@dataclass(frozen=True)
class Fetched:
    """What a fetch came to.

    Attributes
    ----------
    listed : frozenset of str or None
        Images that the source has of the series; None where it cannot be asked.
    """

    listed: frozenset[str] | None

    def lacking(self, held: Set[str]) -> int:
        """How many of them are not here."""
        return 0 if self.listed is None else len(self.listed - held)


def fetch_series(
    asking: Asking,
    study: str,
    series: str,
    held: Set[str],
    settings: RetrieveSettings,
    budget: Budget,
) -> Fetched:
    """Fetch the images of a series that are not here.

    Parameters
    ----------
    asking : Asking
    study, series : str
    held : set of str
        SOP Instance UIDs that are here.
    settings : RetrieveSettings
    budget : Budget

    Raises
    ------
    Failed
        `NotThere` where the source has none of it.
    """
    found = asking.images(study, series, limit=settings.max_instances + len(held))
    if found is None:
        asking.fetch(study, series, None)
        return Fetched(None)
    images = [image for image in found if _may_be_marked(image)]
    if not images:
        if found:
            raise Failed("the series holds no images that the node takes", final=True)
        raise NotThere("the source does not have the series")
    missing = [i.sop_instance_uid for i in images if i.sop_instance_uid not in held]
    budget.check_count(len(missing))
    if missing:
        whole = len(missing) == len(found)
        asking.fetch(study, series, None if whole and asking.takes_whole_series else missing)
    return Fetched(frozenset(image.sop_instance_uid for image in images))


def find_series(asking: Asking, want: Want) -> list[str]:
    """Find the series of an image, or the CT series of a frame of reference.

    Raises
    ------
    Failed
        `NotThere` where the source knows of none.
    """
    study = want.study_instance_uid
    if want.sop_instance_uid is not None:
        holder = asking.series_of_image(study, want.sop_instance_uid)
        if holder is None:
            raise NotThere("the source does not have the image in the study")
        return [holder]
    candidates = [s for s in asking.series(study) if s.modality in ("CT", "")]
    if not candidates:
        raise NotThere("the source does not have the study, or no CT of it")
    found = [
        series.series_instance_uid
        for series in candidates
        if _frame_of(asking, study, series) in (want.frame_of_reference_uid, None)
    ]
    if not found:
        raise NotThere("the source has no CT in the frame of reference")
    if len(found) > _MAX_SERIES:
        raise Failed(
            f"{len(found)} CT series may lie in the frame of reference, at most {_MAX_SERIES} "
            "are fetched",
            final=True,
        )
    return found


def _frame_of(asking: Asking, study: str, series: FoundSeries) -> str | None:
    """Frame of reference of a series, None where the source does not tell."""
    if series.frame_of_reference_uid is not None:
        return series.frame_of_reference_uid
    images = asking.images(study, series.series_instance_uid) or ()
    marked = (i for i in images if i.sop_class_uid is None or i.sop_class_uid in CT_CLASSES)
    return next((i.frame_of_reference_uid for i in marked if i.frame_of_reference_uid), None)


def _may_be_marked(image: FoundImage) -> bool:
    """Whether the node takes an image, as far as the source tells what it is."""
    return image.sop_class_uid is None or image.sop_class_uid in IMAGE_CLASSES
