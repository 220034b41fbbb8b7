"""The phantom shows what it is there to show, and every object of it is made."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from dicomnode.results.ladder import LADDER
from dicomnode.results.read_alpha import read_alpha
from dicomnode.testcard.card import card
from dicomnode.testcard.phantom import SHAPE, shapes
from dicomnode.testcard.rows import QUESTIONS, objects_of, rows


@pytest.fixture(scope="module")
def made():
    return card()


@pytest.fixture(scope="module")
def objects(made):
    return objects_of(made)


def shape(name: str) -> np.ndarray:
    return next(shape.alpha for shape in shapes() if shape.name == name)


def test_columns_do_not_fill_whole_bytes():
    assert SHAPE[2] % 8
    assert (SHAPE[1] * SHAPE[2]) % 8 == 0 or SHAPE[1] % 8


def test_the_ball_fades_through_every_level():
    levels = np.unique(np.rint(shape("ramp sphere") * 255))
    assert len(levels) > 150
    assert {levels[0], levels[-1]} == {0, 255}


def test_the_wedge_has_ten_steps_from_left_to_right():
    wedge = shape("wedge")
    middle = wedge[wedge.any(axis=(1, 2))][0, 60]
    steps = middle[np.flatnonzero(middle)][::6]
    np.testing.assert_allclose(steps, np.arange(1, 11) / 10, atol=1e-6)


def test_the_gaps_are_gaps():
    _, parts = ndimage.label(shape("gaps").any(axis=(1, 2)))
    assert parts == 3


def test_nothing_of_the_card_is_its_own_mirror_image():
    letter = shape("letter")
    together = sum(one.alpha for one in shapes())
    for axis in range(3):
        assert not np.array_equal(np.flip(together, axis), together)
    picture = letter[letter.any(axis=(1, 2))][0]
    rows_, columns = np.nonzero(picture)
    picture = picture[rows_.min() : rows_.max() + 1, columns.min() : columns.max() + 1]
    for turned in (picture[::-1], picture[:, ::-1], picture[::-1, ::-1]):
        assert not np.array_equal(turned, picture)


def test_shapes_lie_apart():
    assert sum(one.alpha for one in shapes()).max() == pytest.approx(1)


def test_the_ct_shows_a_frame_where_there_is_a_shape_and_only_there(made):
    for one in made.shapes:
        _, rows_, columns = one.box
        corner = made.volume.array[:, rows_.start - 3, columns.start - 3]
        np.testing.assert_array_equal(np.flatnonzero(corner == corner.max()), one.slices)


def test_every_lesion_is_read_from_the_report(made):
    assert [lesion.tracking_id for lesion in made.lesions] == [one.name for one in made.shapes]
    for lesion in made.lesions:
        assert lesion.mark_sources[0].sop_instance_uid == made.report.SOPInstanceUID
        assert lesion.measurements.volume_ml > 0


def test_there_is_a_row_for_each_rung(objects):
    assert {row.rung.name for row in rows()} == set(LADDER)
    assert list(objects) == list(rows())
    for row, made_of_it in objects.items():
        assert made_of_it
        assert {one.SOPClassUID for one in made_of_it} == {row.rung.sop_class_uid}
        assert {one.SeriesDescription for one in made_of_it} == {f"{row.name} RESEARCH"}
        assert set(row.asks) <= set(QUESTIONS)


def test_rows_are_series_of_their_own_in_one_study(made, objects):
    series = [{one.SeriesInstanceUID for one in made_of_it} for made_of_it in objects.values()]
    for row, uids in zip(objects, series, strict=True):
        assert len(uids) == (len(made.lesions) if row.rung.of == "lesion" else 1)
        assert len({one.SeriesDescription for one in objects[row]}) == 1, "as on the sheet"
    assert len(set.union(*series)) == sum(map(len, series))
    everything = [one for made_of_it in objects.values() for one in made_of_it]
    assert {one.StudyInstanceUID for one in everything} == {made.study_instance_uid}
    assert {one.PatientID for one in everything} == {"TESTCARD"}
    assert len({one.SOPInstanceUID for one in everything}) == len(everything)


def test_a_second_card_takes_the_place_of_the_first(made, objects):
    again = card()
    assert [one.SOPInstanceUID for one in again.ct] == [one.SOPInstanceUID for one in made.ct]
    row = next(row for row in objects if row.rung.name == "fractional-seg")
    repeated = row.rung.make(again.lesions[0], row.settings)
    assert repeated.SOPInstanceUID == objects[row][0].SOPInstanceUID


def test_the_fractional_seg_holds_the_very_alpha_of_the_shape(made, objects):
    row = next(row for row in objects if row.rung.name == "fractional-seg")
    for seg, one in zip(objects[row], made.shapes, strict=True):
        np.testing.assert_allclose(read_alpha(seg, made.volume), one.alpha, atol=1 / 510 + 1e-6)


def test_all_references_are_named_once_and_nowhere_else(made, objects):
    report = str(made.report.SOPInstanceUID)
    for row, made_of_it in objects.items():
        if row.rung.of == "lesion":
            named = {
                str(element.value)
                for one in made_of_it
                for element in one.iterall()
                if element.keyword == "ReferencedSOPInstanceUID"
            }
            assert (report in named) is row.all_references


def test_every_slice_means_every_slice(objects):
    for row, made_of_it in objects.items():
        if row.every_slice and row.rung.name == "parametric-map":
            assert {one.NumberOfFrames for one in made_of_it} == {SHAPE[0]}
