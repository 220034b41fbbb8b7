"""From fractions of the displayed area of a presentation state to image pixels (PS3.3 C.10.4)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from pydicom.dataset import Dataset

from dicomnode.marks.attributes import read_integers, read_sequence, read_text, read_uid
from dicomnode.marks.drawn_shape import Points


@dataclass(frozen=True)
class DisplayedArea:
    """The part of an image that is shown, and how it is turned.

    Attributes
    ----------
    top_left, bottom_right : tuple of 2 int
        (column, row), from 1, of the pixels that are shown in these corners after the image was
        turned, in the image as it is stored.
    quarter_turns : int
        Clockwise rotation in steps of 90 degrees. Whether the image is also flipped follows from
        the corners.
    """

    top_left: tuple[int, int]
    bottom_right: tuple[int, int]
    quarter_turns: int

    def to_pixels(self, fractions: Points) -> Points:
        """Pixel coordinates of points in DISPLAY units.

        Parameters
        ----------
        fractions : ndarray, shape (n, 2)
            Across and down, 0 at the outer corner of the top left pixel shown and 1 at that of
            the bottom right one (PS3.3 C.10.5.1.2).

        Returns
        -------
        ndarray, shape (n, 2), float64
            (column, row) from the outer corner of the image's first pixel.
        """
        first, last = np.array(self.top_left), np.array(self.bottom_right)
        rising = last >= first
        start = np.where(rising, first - 1, first)
        end = np.where(rising, last, last - 1)
        # A quarter turn shows the columns of the image downwards.
        turned = fractions[:, ::-1] if self.quarter_turns % 2 else fractions
        return start + turned * (end - start)


def displayed_area(dataset: Dataset, sop_instance_uid: str) -> DisplayedArea | None:
    """The area of one image that a presentation state shows; None where it does not say."""
    for item in read_sequence(dataset, "DisplayedAreaSelectionSequence")[:1000]:
        images = read_sequence(item, "ReferencedImageSequence")[:1000]
        if images and all(
            read_uid(image, "ReferencedSOPInstanceUID") != sop_instance_uid for image in images
        ):
            continue
        top_left = read_integers(item, "DisplayedAreaTopLeftHandCorner")
        bottom_right = read_integers(item, "DisplayedAreaBottomRightHandCorner")
        rotation = read_integers(dataset, "ImageRotation")
        if not top_left or not bottom_right or len(top_left) != 2 or len(bottom_right) != 2:
            return None
        if rotation not in ((), (0,), (90,), (180,), (270,)):
            return None
        if read_text(dataset, "ImageHorizontalFlip") not in (None, "N", "Y"):
            return None
        return DisplayedArea(top_left, bottom_right, rotation[0] // 90 if rotation else 0)
    return None
