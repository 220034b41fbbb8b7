"""LIDC outlines are the readers' masks; what is no outline is refused; readers meet in lesions."""

from __future__ import annotations

from collections import defaultdict

import numpy as np
import pytest

from benchmarks.lidc_xml import Comparison, compare
from dicomnode.marks import lidc_xml, same_lesion
from dicomnode.marks.fill import fill_contours
from dicomnode.marks.lidc_xml import read_lidc_xml
from dicomnode.marks.same_lesion import TooManyOutlines, enclosed_pixels, group_by_overlap
from tests.real_data import real

SOP = "1.2.840.1"


def ring(x: int, y: int, size: int) -> list[tuple[int, int]]:
    """Pixels around a square of size x size whose first pixel is (x, y), closed."""
    low, high = -1, size
    top = [(x + k, y + low) for k in range(low, high + 1)]
    right = [(x + high, y + k) for k in range(0, high + 1)]
    bottom = [(x + k, y + high) for k in range(high - 1, low - 1, -1)]
    left = [(x + low, y + k) for k in range(high - 1, low - 1, -1)]
    return top + right + bottom + left


def roi(points, inclusion="TRUE", sop=SOP) -> str:
    edges = "".join(
        f"<edgeMap><xCoord>{x}</xCoord><yCoord>{y}</yCoord></edgeMap>" for x, y in points
    )
    return (
        f"<roi><imageZposition>-1</imageZposition><imageSOP_UID>{sop}</imageSOP_UID>"
        f"<inclusion>{inclusion}</inclusion>{edges}</roi>"
    )


def nodule(*rois: str, name: str = "Nodule 1") -> str:
    return f"<unblindedReadNodule><noduleID>{name}</noduleID>{''.join(rois)}</unblindedReadNodule>"


def message(*sessions: str, uid: str = "1.2.3") -> bytes:
    body = "".join(f"<readingSession>{session}</readingSession>" for session in sessions)
    return (
        f'<?xml version="1.0"?><LidcReadMessage uid="{uid}" xmlns="http://www.nih.gov">'
        f"<ResponseHeader/>{body}</LidcReadMessage>"
    ).encode()


def test_the_nodule_is_what_the_edge_encloses_without_it():
    reading = read_lidc_xml(message(nodule(roi(ring(10, 20, 4)))))
    assert reading.refusals == ()
    (outline,) = reading.outlines
    mask = fill_contours(outline.contours, (64, 64))
    assert mask.sum() == 16
    assert mask[20:24, 10:14].all()
    assert (outline.reader, outline.tracking_id) == ("1", "Nodule 1")
    assert outline.source_sop_instance_uid == "1.2.3"
    assert outline.contours[0].referenced_sop_instance_uid == SOP
    assert outline.finding.meaning == "Nodule"


def test_a_hole_loses_its_edge_too():
    rois = roi(ring(10, 20, 9)), roi(ring(13, 23, 2), inclusion="FALSE")
    (outline,) = read_lidc_xml(message(nodule(*rois))).outlines
    mask = fill_contours(outline.contours, (64, 64))
    assert mask.sum() == 81 - 16
    assert not mask[22:26, 12:16].any()


def test_points_and_non_nodules_are_refused_with_their_place():
    other = "<nonNodule><nonNoduleID>7</nonNoduleID></nonNodule>"
    reading = read_lidc_xml(message(nodule(roi([(5, 5)])) + other, nodule(roi(ring(3, 3, 2)))))
    assert [outline.reader for outline in reading.outlines] == ["2"]
    assert [r.item for r in reading.refusals] == [
        "readingSession 1, unblindedReadNodule 1",
        "readingSession 1, nonNodule 1",
    ]
    assert "3 mm" in reading.refusals[0].reason


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (roi(ring(5, 5, 2), sop="1.02"), "UID"),
        (roi(ring(5, 5, 2), inclusion="MAYBE"), "inclusion"),
        (roi([(1, 1), (2, 2)]), "found 2 points"),
        (roi([(1, 1), (2, "x"), (3, 3)]), "whole numbers"),
        (roi([(1, 1), (2, 1.5), (3, 3)]), "whole numbers"),
        (roi([(1, 1), (2, 99999), (3, 3)]), "outside"),
        (roi([(1, 1), (2, -1), (3, 3)]), "outside"),
    ],
)
def test_a_broken_region_costs_that_region(bad, reason):
    reading = read_lidc_xml(message(nodule(roi(ring(9, 9, 3)), bad)))
    assert len(reading.outlines[0].contours) == 1
    (refusal,) = reading.refusals
    assert reason in refusal.reason
    assert refusal.item.endswith("roi 2")


def test_an_outline_around_no_pixel_is_refused():
    reading = read_lidc_xml(message(nodule(roi([(5, 5), (6, 5), (6, 6), (5, 6), (5, 5)]))))
    assert reading.outlines == ()
    assert "no pixel" in reading.refusals[0].reason
    alone = read_lidc_xml(message(nodule(roi(ring(5, 5, 3), inclusion="FALSE"))))
    assert alone.outlines == ()
    assert "encloses" in alone.refusals[0].reason


@pytest.mark.parametrize("content", [b"", b"no xml", b"<a/>", b"<!DOCTYPE a><a/>"])
def test_what_is_no_lidc_file_is_one_refusal(content):
    reading = read_lidc_xml(content)
    assert reading.outlines == ()
    assert len(reading.refusals) == 1


def test_an_empty_message_says_so():
    assert "no reading session" in read_lidc_xml(message("")).refusals[0].reason


def test_a_file_without_a_uid_has_one_of_its_bytes():
    content = message(nodule(roi(ring(9, 9, 3))), uid="none")
    source = read_lidc_xml(content).outlines[0].source_sop_instance_uid
    assert source.startswith("2.25.")
    assert source == read_lidc_xml(content).outlines[0].source_sop_instance_uid


def test_items_and_area_are_bounded(monkeypatch):
    monkeypatch.setattr(lidc_xml, "MAX_ITEMS", 5)
    reading = read_lidc_xml(message(nodule(roi([(5, 5)])) * 9))
    assert len(reading.refusals) == 6
    assert "more than 5 items" in reading.refusals[-1].reason
    monkeypatch.setattr(lidc_xml, "MAX_AREA", 150)
    reading = read_lidc_xml(message(nodule(roi(ring(5, 5, 3))) * 4))
    assert len(reading.outlines) == 2


def readers(*squares: tuple[str, int, int, int]) -> tuple:
    """Outlines of squares: reader, x, y, size."""
    sessions = defaultdict(str)
    for name, x, y, size in squares:
        sessions[name] += nodule(roi(ring(x, y, size)))
    return read_lidc_xml(message(*(sessions[k] for k in sorted(sessions)))).outlines


def grouped(outlines) -> list[list[str]]:
    return [[outline.reader for outline in lesion] for lesion in group_by_overlap(outlines)]


def test_overlapping_outlines_of_different_readers_are_one_lesion():
    outlines = readers(("1", 5, 5, 6), ("1", 40, 40, 4), ("2", 7, 6, 6), ("3", 41, 40, 4))
    assert grouped(outlines) == [["1", "2"], ["1", "3"]]


def test_touching_is_not_overlapping():
    outlines = readers(("1", 5, 5, 4), ("2", 9, 5, 4))
    assert grouped(outlines) == [["1"], ["2"]]


def test_one_reader_has_one_outline_in_a_lesion():
    # Reader 1 drew one large nodule, reader 2 two in it: the better fitting one joins.
    outlines = readers(("1", 5, 5, 10), ("2", 5, 5, 3), ("2", 9, 5, 6))
    lesions = group_by_overlap(outlines)
    assert [[o.reader for o in lesion] for lesion in lesions] == [["1", "2"], ["2"]]
    assert len(enclosed_pixels(lesions[0][1])[SOP, 1]) == 36


def test_readers_in_a_chain_are_one_lesion():
    outlines = readers(("1", 5, 5, 6), ("2", 9, 5, 6), ("3", 13, 5, 6))
    assert grouped(outlines) == [["1", "2", "3"]]


def test_each_outline_is_in_one_lesion_and_order_is_kept():
    rng = np.random.default_rng(5)
    squares = [(str(rng.integers(1, 5)), *rng.integers(2, 40, 2), 6) for _ in range(40)]
    outlines = readers(*squares)
    lesions = group_by_overlap(outlines)
    assert sorted(map(id, sum(lesions, ()))) == sorted(map(id, outlines))
    for lesion in lesions:
        assert len({outline.reader for outline in lesion}) == len(lesion)


def test_comparing_outlines_is_bounded(monkeypatch):
    outlines = readers(*[(str(k % 4), 5 + k, 5, 6) for k in range(12)])
    monkeypatch.setattr(same_lesion, "MAX_PAIRS", 66)
    assert len(group_by_overlap(outlines)) < 12
    monkeypatch.setattr(same_lesion, "MAX_PAIRS", 65)
    with pytest.raises(TooManyOutlines):
        group_by_overlap(outlines)


@pytest.mark.real_data
def test_the_mask_of_an_xml_is_the_mask_that_others_made_of_it():
    """Of the first 22 patients, 711 of 721 masks are exactly an outline of the XML.

    The index of the masks says of the other 10 as well that they match no XML.
    """
    real("lidc_xml")
    found = compare(real("lidc_slices").parent, "LIDC-IDRI-0051")
    assert found == Comparison(equal=711, announced=10, different=0)
