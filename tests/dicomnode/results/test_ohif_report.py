"""The dialect of OHIF: its tool, its spelling, and axes where they were measured."""

from __future__ import annotations

import highdicom as hd
import numpy as np
import pytest

from dicomnode.marks import ImagePlane, read_marks
from dicomnode.results.ohif_report import TRACKING_IDENTIFIER, ohif_report
from tests.dicomnode.results.documents import OBLIQUE, saved, twins_of
from tests.dicomnode.results.lesions import (
    ball_result,
    file_of,
)


@pytest.mark.parametrize(
    ("spacing", "kind"), [((2, 0.7, 0.7), "SCOORD"), ((2, 0.6, 0.8), "SCOORD3D")]
)
def test_ohif_finds_its_tool_and_its_spelling(spacing, kind):
    result = ball_result(OBLIQUE, spacing=spacing)
    document = saved(ohif_report([result], twins=[twins_of(result)]))
    (group,) = hd.sr.srread(file_of(document)).content.get_image_measurement_groups()
    assert group.tracking_identifier == TRACKING_IDENTIFIER
    assert group.tracking_uid == result.tracking_uid
    assert [m.name.meaning for m in group.get_measurements()] == ["Long Axis", "Short Axis"]
    for measured in group.get_measurements():
        assert measured.referenced_coordinates[0].ValueType == kind
    # Read as a mark of anybody, it lies where ours was measured.
    (mark,) = read_marks(document).marks
    axes = result.measurements.axes
    if kind == "SCOORD3D":
        np.testing.assert_allclose(mark.long_axis, axes.long_axis, atol=1e-3)
    else:
        planes = {s.SOPInstanceUID: ImagePlane.from_dataset(s) for s in result.slices}
        points = planes[mark.referenced_sop_instance_uid].to_patient(mark.long_axis)
        np.testing.assert_allclose(points, axes.long_axis, atol=0.01)
