"""dicom3tools' dciodvfy finds no error in any rung, of any lesion, on any CT."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRLittleEndian
from scipy.spatial.transform import Rotation

from dicomnode.results import LADDER
from tests.dicomnode.results.enhanced_lesions import enhanced_result
from tests.dicomnode.results.lesions import ball_result, real_result
from tests.dicomnode.results.rungs import objects_of, twin_of
from tests.interop.peers import need

pytestmark = [pytest.mark.interop, pytest.mark.filterwarnings("ignore::UserWarning")]

NO_LABEL_MAP = {
    "Error - Information Object Not found",
    "Error - SegmentNumber not monotonically increasing from one by one - have SegmentSequence "
    "item number 1 (from one) with SegmentNumber of 0",
}
"""Debian's dicom3tools (2022) is older than label maps (Supplement 243, 2023): it does not know the
SOP class, and asks that segments count from 1, where theirs count from the background, 0."""

PHANTOMS = {
    "axial": lambda: ball_result(spacing=(2.0, 0.7, 0.7)),
    "oblique": lambda: ball_result(Rotation.from_euler("xyz", (0.3, -0.2, 0.5))),
    "sagittal": lambda: ball_result(Rotation.from_matrix([[0, 0, 1], [1, 0, 0], [0, 1, 0]])),
    "pixels not square": lambda: ball_result(spacing=(1.25, 0.6, 0.9), descending=True),
    "gantry tilt": lambda: ball_result(
        overrides={i: {"ImagePositionPatient": [-50, -40 + 0.7 * i, 10 + 2 * i]} for i in range(6)}
    ),
    "one slice": lambda: ball_result(box=(1, 20, 22)),
    "enhanced CT": lambda: enhanced_result()[0],
    "concatenation": lambda: enhanced_result(parts=2)[0],
    "nothing known of the body": lambda: ball_result(
        overrides={
            i: {"BodyPartExamined": None, "PositionReferenceIndicator": None} for i in range(6)
        }
    ),
}
REAL = ("ibsi_ct", "lungdx_A0002_B40f", "lungdx_A0002_B70f", "dicom_objects")


def errors(made: Dataset, folder: Path) -> set[str]:
    path = folder / "object.dcm"
    made.save_as(path, enforce_file_format=True)
    done = subprocess.run(
        [need("dciodvfy"), str(path)], capture_output=True, text=True, check=False, timeout=60
    )
    lines = (done.stdout + done.stderr).splitlines()
    found = {line for line in lines if line.startswith("Error")}
    if made.SOPClassUID == LADDER["labelmap-seg"].sop_class_uid:
        return found - NO_LABEL_MAP
    assert any(line and not line.startswith(("Error", "Warning")) for line in lines), "no IOD known"
    return found


def check(result, name, folder, **settings):
    twins = [twin_of(one) for one in objects_of(result, "fractional-seg")]
    for made in objects_of(result, name, () if name == "fractional-seg" else twins, **settings):
        assert errors(made, folder) == set()


@pytest.mark.parametrize("name", LADDER)
@pytest.mark.parametrize("phantom", PHANTOMS)
def test_lesions_of_phantoms(name, phantom, tmp_path):
    check(PHANTOMS[phantom](), name, tmp_path)


@pytest.mark.parametrize(
    "name", [n for n, r in LADDER.items() if hasattr(r.settings(), "omit_empty_frames")]
)
def test_frames_for_every_slice(name, tmp_path):
    check(ball_result(), name, tmp_path, omit_empty_frames=False)


@pytest.mark.parametrize(
    "name", [n for n, r in LADDER.items() if hasattr(r.settings(), "references")]
)
def test_references_to_the_ct_alone(name, tmp_path):
    check(ball_result(), name, tmp_path, references="ct")


@pytest.mark.parametrize(
    "name", [n for n, r in LADDER.items() if hasattr(r.settings(), "transfer_syntax_uid")]
)
def test_without_compression(name, tmp_path):
    check(ball_result(), name, tmp_path, transfer_syntax_uid=ExplicitVRLittleEndian)


@pytest.mark.real_data
@pytest.mark.parametrize("name", LADDER)
@pytest.mark.parametrize("folder", REAL)
def test_lesions_on_real_ct(name, folder, tmp_path):
    check(real_result(folder), name, tmp_path)
