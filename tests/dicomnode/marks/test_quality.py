"""Doubts about a mark are named, each for itself."""

from __future__ import annotations

import numpy as np
import pytest
from pydicom.uid import CTImageStorage, EnhancedCTImageStorage, MRImageStorage

from dicomnode.marks import AbsurdAxis, RecistMark, check_quality
from dicomnode.marks.quality import UnsuitableImage, check_image
from dicomnode.store.received import InstanceHeader
from pipelines.recist import RecistAxes


def axes(long_mm=20.0, short_mm=12.0, angle=90.0, shift=0.0) -> RecistAxes:
    turn = np.radians(angle)
    along_short = np.array([np.cos(turn), np.sin(turn), 0])
    middle = np.array([0, shift, 0])
    return RecistAxes(
        np.array([[-long_mm / 2, 0, 0], [long_mm / 2, 0, 0]]),
        np.array([middle - along_short * short_mm / 2, middle + along_short * short_mm / 2]),
    )


def mark(stated_long=None, stated_short=None, uncalibrated=False) -> RecistMark:
    return RecistMark(
        np.array([[0.0, 0.0], [1.0, 0.0]]),
        None,
        source_sop_instance_uid="1.2",
        item="1",
        referenced_sop_instance_uid="1.3",
        stated_long_mm=stated_long,
        stated_short_mm=stated_short,
        uncalibrated=uncalibrated,
    )


def test_a_sound_mark_raises_no_doubt():
    assert check_quality(mark(20.9, 11.5), axes()) == ()


def test_a_mark_with_one_axis_raises_no_doubt():
    assert check_quality(mark(20.0), RecistAxes(axes().long_axis)) == ()


@pytest.mark.parametrize(
    ("stated", "name"), [((25.0, 12.0), "long"), ((20.0, 9.0), "short"), ((2.0, None), "long")]
)
def test_stated_length_against_points(stated, name):
    (doubt,) = check_quality(mark(*stated), axes())
    assert f"the {name} axis is stated" in doubt


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"angle": 60}, "60 degrees"),
        ({"angle": 120}, "60 degrees"),
        ({"shift": 9}, "do not cross"),
        ({"short_mm": 25}, "longer than the long axis"),
    ],
)
def test_a_doubtful_pair(changed, words):
    (doubt,) = check_quality(mark(), axes(**changed))
    assert words in doubt


def test_small_deviations_raise_no_doubt():
    assert check_quality(mark(), axes(angle=80, shift=6.5)) == ()


@pytest.mark.parametrize("lengths", [(0.5, 0.4), (401.0, 30.0), (20.0, 0.9)])
def test_an_absurd_axis_is_refused(lengths):
    with pytest.raises(AbsurdAxis, match="expected 1 to 400 mm"):
        check_quality(mark(), axes(*lengths))


@pytest.mark.parametrize(("thickness", "doubted"), [(5.0, False), (10.0, False), (10.1, True)])
def test_a_lesion_of_less_than_two_slices_is_doubted(thickness, doubted):
    doubts = check_quality(mark(), axes(), slice_thickness=thickness)
    assert any("shorter than 2 slices of" in doubt for doubt in doubts) is doubted


def test_a_length_without_a_unit_is_doubted():
    (doubt,) = check_quality(mark(uncalibrated=True), axes())
    assert 'unit "1"' in doubt


def header(sop_class: str = CTImageStorage, **more) -> InstanceHeader:
    return InstanceHeader(sop_class, "1.2.3", "1.2", "1.2.1", "1.2.840.10008.1.2.1", **more)


@pytest.mark.parametrize(
    "image",
    [
        header(),
        header(image_type=("ORIGINAL", "PRIMARY", "AXIAL"), number_of_frames=1),
        header(EnhancedCTImageStorage, number_of_frames=1),
        header(EnhancedCTImageStorage, number_of_frames=40),
    ],
)
def test_a_ct_slice_is_suitable(image):
    check_image(image)


@pytest.mark.parametrize(
    ("image", "words"),
    [
        (header(MRImageStorage, modality="MR"), "modality MR, expected CT"),
        (header(MRImageStorage, modality="DOE^JANE"), "that it does not state, expected CT"),
        (header(image_type=("ORIGINAL", "PRIMARY", "localizer")), "localizer"),
        (header(number_of_frames=40), "40 frames"),
    ],
)
def test_other_images_are_not(image, words):
    with pytest.raises(UnsuitableImage, match=words):
        check_image(image)
