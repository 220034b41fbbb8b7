"""From a definition to files and rows."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pydicom
import pytest

from benchmarks.peers.lesion_store import lesion_store
from dicomnode.marks import Contour, Outline
from dicomnode.marks.lesion_mark import LesionMark, Opinion, reference_to
from dicomnode.marks.read_marks import read_marks
from dicomnode.marks.serialised import to_json
from dicomnode.reader_study.case_file import CaseVoxels
from dicomnode.reader_study.definition import StudyDefinition
from dicomnode.reader_study.making import NotMade, make_study
from dicomnode.reader_study.taking_part import find_study
from dicomnode.receive.folder import find_instance
from dicomnode.receive.sop_classes import CT_CLASSES
from dicomnode.retention.purge import By, purge_study
from dicomnode.store.database import Database
from dicomnode.store.instances import InstanceIndex, paths_of
from dicomnode.store.states import StudyState
from dicomnode.store.tables import Lesion, ReaderStudyCase
from tests.dicomnode.mask_objects import segmentation
from tests.dicomnode.reader_study.small import SPACING, egg, small_study
from tests.real_data import real


def cases_of(study) -> list[ReaderStudyCase]:
    with study.database.read() as session:
        return list(find_study(session, study.made.study_id).cases)


def test_each_case_holds_ct_and_candidates_as_they_are(tmp_path):
    study = small_study(tmp_path)
    assert (study.made.cases, study.made.left_out) == (3, ())
    for number, case in enumerate(cases_of(study), 1):
        content = Path(case.path).read_bytes()
        assert case.digest == hashlib.sha256(content).hexdigest()
        voxels = CaseVoxels.load(Path(case.path))
        hu, alpha = egg(number)
        assert voxels.spacing == pytest.approx(SPACING)
        # NIfTI of SimpleITK lies as DICOM does: its slices run to the head, rows to the back.
        masks = [alpha >= level for level in (0.2, 0.5, 0.8)]
        expected = np.stack([*(mask * 255.0 for mask in masks), np.rint(alpha * 255)])
        held = np.argwhere(expected.any(axis=0))
        more = np.ceil(2 / np.array(SPACING)).astype(int)
        low = np.maximum(held.min(axis=0) - more, 0)
        box = tuple(slice(a, a + n) for a, n in zip(low, voxels.alpha.shape[1:], strict=True))
        np.testing.assert_array_equal(voxels.alpha, expected[(slice(None), *box)])
        start = low - voxels.offset
        box = tuple(slice(a, a + n) for a, n in zip(start, voxels.hu.shape, strict=True))
        np.testing.assert_array_equal(voxels.hu, hu[box])
        assert [one["name"] for one in case.provenance] == ["mask-1", "mask-2", "mask-3", "matte"]
        assert len({one["digest"] for one in case.provenance}) == 4
    study.database.close()


def test_outlines_hold_nothing_but_zero_and_one(tmp_path):
    study = small_study(tmp_path, cases=1, display="outline", level=0.5)
    voxels = CaseVoxels.load(Path(cases_of(study)[0].path))
    assert set(np.unique(voxels.alpha)) == {0, 255}
    # The matte at one half is the mask that was drawn there.
    np.testing.assert_array_equal(voxels.alpha[3], voxels.alpha[1])
    study.database.close()


def test_a_case_that_lacks_a_candidate_is_left_out_with_the_reason(tmp_path):
    study = small_study(tmp_path, cases=2)
    (study.folder / "egg-2-matte.nii.gz").unlink()
    again = study.definition.model_copy(update={"name": "again"})
    made = make_study(study.database, study.store, again, study.folder, "tester")
    assert made.cases == 1
    ((name, why),) = made.left_out
    assert name == "egg-2"
    assert why
    (study.folder / "egg-1-matte.nii.gz").unlink()
    none = study.definition.model_copy(update={"name": "none"})
    with pytest.raises(NotMade, match="no case that can be shown: egg-1"):
        make_study(study.database, study.store, none, study.folder, "tester")
    # Nothing of it stays.
    assert {p.name.rpartition("-")[0] for p in (study.store / "reader_studies").iterdir()} == {
        "eggs-and-matte", "again",
    }  # fmt: skip
    study.database.close()


def test_a_name_is_taken_once_and_repeats_are_no_more_than_cases(tmp_path):
    study = small_study(tmp_path, cases=2, repeats=1)
    assert sum(case.repeated for case in cases_of(study)) == 1
    with pytest.raises(NotMade, match="already"):
        make_study(study.database, study.store, study.definition, study.folder, "tester")
    more = study.definition.model_copy(update={"name": "more", "repeats": 3})
    with pytest.raises(NotMade, match="found 3 cases to repeat"):
        make_study(study.database, study.store, more, study.folder, "tester")
    study.database.close()


def of_the_node(**changes) -> StudyDefinition:
    return StudyDefinition.model_validate(
        {
            "name": "node",
            "title": "Lesions",
            "display": "alpha",
            "seed": 1,
            "candidates": [
                {"name": "matte", "origin": "computer", "from": "node"},
                {"name": "hard", "origin": "computer", "from": "node", "threshold": 0.5},
            ],
            "cases": [{"lesion": 1}],
        }
        | changes
    )


@pytest.mark.parametrize("directions", ["HPL", "FAL", "RFA"])
def test_a_lesion_of_the_node_is_shown_as_it_lies_in_the_patient(tmp_path, directions):
    store = lesion_store(tmp_path, directions=directions)
    made = make_study(store.database, tmp_path, of_the_node(), tmp_path, "tester")
    with store.database.read() as session:
        (case,) = find_study(session, made.study_id).cases
    assert (case.lesion_id, case.study_instance_uid) == (1, store.study_instance_uid)
    voxels = CaseVoxels.load(Path(case.path))
    home = store.mask.alpha.to_patient_orientation("HPL")
    assert voxels.spacing == pytest.approx(tuple(home.spacing))
    there = np.argwhere(np.rint(home.array * 255) > 0)
    box = tuple(slice(a, b + 1) for a, b in zip(there.min(axis=0), there.max(axis=0), strict=True))
    held = np.argwhere(voxels.alpha[0] > 0)
    same = tuple(slice(a, b + 1) for a, b in zip(held.min(axis=0), held.max(axis=0), strict=True))
    np.testing.assert_array_equal(voxels.alpha[0][same], np.rint(home.array[box] * 255))
    # The egg is denser than lung: where alpha is whole, so is the tissue.
    first = voxels.offset
    inner = tuple(slice(f, f + n) for f, n in zip(first, voxels.alpha.shape[1:], strict=True))
    assert voxels.hu[inner][voxels.alpha[0] == 255].mean() == pytest.approx(40, abs=5)
    store.database.close()


def test_masks_of_a_segmentation_and_of_outlines_are_the_readers_of_a_lesion(tmp_path):
    """As a node keeps them that got a SEG and an RTSTRUCT of one lesion."""
    store = lesion_store(tmp_path)
    with store.database.read() as session:
        lesion = session.get_one(Lesion, 1)
        paths = paths_of(session, lesion.slices)
        report = lesion.source_sop_instance_uid
    ct = [pydicom.dcmread(path) for path in paths]
    whole = np.zeros(store.volume.spatial_shape, bool)
    first, shape = store.mask.offset, store.mask.alpha.spatial_shape
    whole[tuple(slice(f, f + n) for f, n in zip(first, shape, strict=True))] = (
        store.mask.alpha.array >= 0.5
    )
    seg = segmentation(ct, [whole])
    path = tmp_path / "instances" / "seg.dcm"
    seg.save_as(path)
    InstanceIndex(store.database, CT_CLASSES).add(find_instance(path).received)
    (segment,) = read_marks(seg).segments
    centre = np.argwhere(whole).mean(axis=0)
    square = np.array([[-8, -8], [-8, 8], [8, 8], [8, -8]]) + centre[1:]
    contours = tuple(
        Contour(store.volume.map_indices_to_reference(np.insert(square, 0, index, axis=1)))
        for index in range(round(centre[0]) - 2, round(centre[0]) + 3)
    )
    outline = Outline(contours, report, "region 1", str(ct[0].FrameOfReferenceUID))
    mark = LesionMark((Opinion(segment=reference_to(segment)), Opinion(outline=outline)))
    with store.database.write() as session:
        session.get_one(Lesion, 1).mark = to_json(mark)
    candidates = [
        {"name": f"reader-{n}", "origin": "person", "from": "reader", "reader": n} for n in (1, 2)
    ] + [
        {"name": "both", "origin": "computer", "from": "consensus", "share": 1.0},
        {"name": "matte", "origin": "computer", "from": "node"},
        {"name": "new", "origin": "computer", "from": "method", "method": "closed-form"},
    ]
    definition = of_the_node(candidates=candidates)
    made = make_study(store.database, tmp_path, definition, tmp_path, "tester")
    assert made.left_out == ()
    with store.database.read() as session:
        (case,) = find_study(session, made.study_id).cases
    segmented, outlined, both, matte, new = CaseVoxels.load(Path(case.path)).alpha
    assert (segmented > 0).sum() == whole.sum()
    assert (outlined > 0).any(axis=(1, 2)).sum() == 5
    assert (outlined > 0).sum() == pytest.approx(5 * 16 * 16, rel=0.15)
    np.testing.assert_array_equal(both, np.minimum(segmented, outlined))
    assert ((matte >= 128) == (segmented > 0)).mean() > 0.99
    assert set(np.unique(new)) - {0, 255}
    assert case.provenance[2]["needed"] == 2
    assert case.provenance[4]["method"] == "closed-form"
    three = [*candidates[:2], candidates[0] | {"name": "reader-3", "reader": 3}]
    third = of_the_node(name="third", candidates=three)
    with pytest.raises(NotMade, match="found masks of 2 readers"):
        make_study(store.database, tmp_path, third, tmp_path, "tester")
    store.database.close()


def test_with_the_dicom_study_its_cases_lose_their_images_and_keep_their_rows(tmp_path):
    store = lesion_store(tmp_path)
    make_study(store.database, tmp_path, of_the_node(), tmp_path, "tester")
    (file,) = tmp_path.glob("reader_studies/*/*.npz")
    purge = purge_study(
        store.database, store.study_instance_uid, By("tester", "test"), {}, tuple(StudyState)
    )
    assert not file.exists()
    assert str(file) in purge.files
    with store.database.read() as session:
        (case,) = session.query(ReaderStudyCase).all()
    assert case.path == ""
    later = of_the_node(name="later")
    with pytest.raises(NotMade, match="has no soft mask"):
        make_study(store.database, tmp_path, later, tmp_path, "tester")
    store.database.close()


def test_a_file_that_is_no_case_is_refused(tmp_path):
    path = tmp_path / "case.npz"
    path.write_bytes(b"PK nothing")
    with pytest.raises(OSError, match="damaged"):
        CaseVoxels.load(path)


@pytest.mark.real_data
def test_four_readers_of_a_real_nodule_and_a_matte_of_them_are_shown(tmp_path):
    definition = StudyDefinition.model_validate(
        {
            "name": "lidc",
            "title": "Nodules",
            "display": "alpha",
            "seed": 1,
            "candidates": [
                {"name": f"mask-{n}", "origin": "person", "from": "reader", "reader": n}
                for n in (1, 2, 3, 4)
            ]
            + [{"name": "matte", "origin": "computer", "from": "method", "method": "closed-form"}],
            "lidc": {"data": real("lidc_slices"), "cache": tmp_path / "cache", "limit": 2},
        }
    )
    database = Database(f"sqlite:///{tmp_path / 'node.sqlite'}")
    database.upgrade()
    made = make_study(database, tmp_path, definition, tmp_path, "tester")
    assert made.cases + len(made.left_out) == 2
    with database.read() as session:
        cases = find_study(session, made.study_id).cases
    for case in cases:
        *masks, matte = CaseVoxels.load(Path(case.path)).alpha
        assert all(set(np.unique(mask)) == {0, 255} for mask in masks)
        # There is more of it where all readers agree than where some marked.
        agreed, marked = np.minimum.reduce(masks) == 255, np.maximum.reduce(masks) == 255
        assert matte[agreed].mean() > 1.3 * matte[marked & ~agreed].mean()
        assert len(np.unique(matte)) > 10
    database.close()
