"""Enhanced CT in the eyes of other people's programs: Orthanc, DCMTK, dciodvfy."""

from __future__ import annotations

import subprocess
import urllib.request

import highdicom as hd
import numpy as np
import pytest

from dicomnode.frames import frame_headers
from dicomnode.marks import read_marks
from dicomnode.marks.lesion_mark import LesionMark, Opinion
from dicomnode.results import (
    Equipment,
    FractionalSegSettings,
    LesionResult,
    MarkSource,
    fractional_seg,
)
from dicomnode.results.source_frames import stand_in
from pipelines.measure import measure
from pipelines.soft_mask import SoftMask
from tests.dicomnode.enhanced_ct import enhanced_ct, frames_of, naming_frames
from tests.dicomnode.studies import save, study
from tests.interop.peers import need
from tests.interop.test_dciodvfy import errors
from tests.interop.test_retrieve import pacs, site

__all__ = ["pacs", "site"]  # fixtures

pytestmark = pytest.mark.interop


def test_a_report_on_a_frame_brings_its_enhanced_ct_and_its_seg(site, tmp_path):
    made = study(f"enhanced {site.way}")
    frames = frames_of(made.ct)
    ct = enhanced_ct(frames)
    report = naming_frames(made.report, [ct], frames)
    (plain,) = save([ct], tmp_path / "ct")
    compressed = tmp_path / "ct" / "compressed.dcm"
    subprocess.run([need("dcmcjpls"), str(plain.path), str(compressed)], check=True, timeout=60)
    # DCMTK's storescu proposes no compressed syntax unless it is told which.
    address = f"http://127.0.0.1:{site.pacs.http_port}/instances"
    urllib.request.urlopen(address, compressed.read_bytes()).close()
    site.push([report], tmp_path)
    site.until_segs(made)
    (retrieval,) = site.until_done(made)
    assert retrieval.series_instance_uid == ct.SeriesInstanceUID
    assert retrieval.instances == 1
    (found,) = site.segs(made)
    seg = hd.seg.segread(site.pacs.save(found, tmp_path / "segs"))
    (image,) = seg.SourceImageSequence
    assert image.ReferencedSOPInstanceUID == ct.SOPInstanceUID
    assert 13 in image.ReferencedFrameNumber


@pytest.mark.parametrize("parts", [1, 2])
@pytest.mark.parametrize("omit_empty_frames", [True, False])
def test_dciodvfy_finds_no_error_in_a_result_on_frames(tmp_path, parts, omit_empty_frames):
    made = study("dciodvfy")
    frames = frames_of(made.ct)
    size = len(frames) // parts
    objects = [
        enhanced_ct(frames[k * size : (k + 1) * size], part=None if parts == 1 else (k + 1, parts))
        for k in range(parts)
    ]
    report = naming_frames(made.report, objects, frames)
    numbers = [*range(1, size + 1)] * parts
    alpha = np.random.default_rng(0).random((6, 8, 9)).astype(np.float32)
    grid = made.volume[9:15, 20:28, 30:39]
    mask = SoftMask(
        grid.with_array(alpha),
        grid.with_array(np.ones(alpha.shape, np.uint8)),
        "closed_form",
        {},
        (9, 20, 30),
    )
    headers, stand_ins = stand_in(
        [header for one in objects for header in frame_headers(one, range(1, size + 1))], numbers
    )
    result = LesionResult(
        mask,
        headers,
        LesionMark((Opinion(axes=read_marks(report).marks[0]),)),
        measure(mask),
        "digest",
        Equipment("1.2.3"),
        (
            MarkSource(
                report.SOPClassUID,
                report.SOPInstanceUID,
                report.StudyInstanceUID,
                report.SeriesInstanceUID,
            ),
        ),
        stand_ins,
    )
    settings = FractionalSegSettings(omit_empty_frames=omit_empty_frames, references="all")
    assert errors(fractional_seg(result, settings), tmp_path) == []
