"""The dimensions of a multi-frame object, named by what it is."""

from __future__ import annotations

from pydicom.dataset import Dataset

from dicomnode.results.uids import derive_uid


def name_dimensions(made: Dataset) -> None:
    """Replace highdicom's random UID, so that the same input gives the same UIDs (PS3.3 C.7.6.17).

    Parameters
    ----------
    made : Dataset
        Is changed.
    """
    uid = derive_uid("dimensions", made.SOPInstanceUID)
    for item in (*made.DimensionOrganizationSequence, *made.DimensionIndexSequence):
        item.DimensionOrganizationUID = uid
