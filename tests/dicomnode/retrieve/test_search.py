"""What is not where a mark says it is, is looked for in other ways before it is given up."""

from __future__ import annotations

import time

import pytest
from pydicom.dataset import Dataset

from dicomnode.demo.recist_sr import Coordinates, DrawnMark, recist_report
from dicomnode.explain import explain
from dicomnode.store.states import LesionState, RetrievalState
from tests.dicomnode.collect.test_masks import with_reference
from tests.dicomnode.enhanced_ct import enhanced_ct, frames_of
from tests.dicomnode.mask_objects import ball, segmentation, structure_set
from tests.dicomnode.mask_objects import circles as circles_of
from tests.dicomnode.retrieve.stand_in_source import (
    DicomSourceStandIn,
    WebSourceStandIn,
    serve_multipart,
)
from tests.dicomnode.studies import Study, study

WAYS = ("c-get", "dicomweb")
SLOWLY = {"first_wait_s": 1000.0, "longest_wait_s": 1000.0}
"""What is asked for in vain is not asked for again within a test."""


def source_of(way: str, images) -> DicomSourceStandIn | WebSourceStandIn:
    return (DicomSourceStandIn if way == "c-get" else WebSourceStandIn)(images)


def settings_of(way: str, source) -> dict:
    return {"name": "ARCHIVE", "kind": way} | source.settings


def misled(report: Dataset, *, also_the_study: bool = False) -> Dataset:
    """The report, whose evidence names a series (and a study) that does not exist."""
    (evidence,) = report.CurrentRequestedProcedureEvidenceSequence
    evidence.ReferencedSeriesSequence[0].SeriesInstanceUID += ".9"
    if also_the_study:
        evidence.StudyInstanceUID += ".9"
    return report


def words_of(node) -> list[tuple[str, RetrievalState]]:
    """The first words of what was wanted, in order, and what came of it."""
    return [(" ".join(r.wanted.split()[:3]), r.state) for r in node.retrievals()]


@pytest.mark.parametrize("way", WAYS)
def test_a_series_that_the_source_does_not_have_is_found_by_the_image(house, way):
    made = study(f"no such series {way}")
    series = made.ct[0].SeriesInstanceUID
    with source_of(way, made.ct) as source:
        node = house(settings_of(way, source), retry=SLOWLY)
        node.put([misled(made.report)])
        node.until_ready()
        node.until(lambda: len(node.retrievals()) == 3, "three steps")
        node.until(lambda: node.retrievals()[2].state is RetrievalState.DONE, "the last step")
    named, found, fetched = node.retrievals()
    assert named.series_instance_uid == f"{series}.9"
    assert "the source does not have the series" in named.peer_words
    assert found.wanted.startswith("the series of image")
    assert found.peer_words == "ARCHIVE: found 1 series"
    assert fetched.series_instance_uid == series
    with node.database.read() as session:
        text = "\n".join(explain(session, made.report.SOPInstanceUID))
    assert "the source does not have the series" in text
    assert f"to be fetched: the series of image {made.ct[12].SOPInstanceUID}" in text


def test_an_image_is_also_looked_for_in_the_study_of_the_mark(house):
    made = study("no such study")
    with WebSourceStandIn(made.ct) as source:
        node = house(settings_of("dicomweb", source), retry=SLOWLY)
        node.put([misled(made.report, also_the_study=True)])
        node.until_ready()
    searched = [r for r in node.retrievals() if r.sop_instance_uid is not None]
    own = made.report.StudyInstanceUID
    assert [r.study_instance_uid for r in searched] == [f"{own}.9", own]


@pytest.mark.parametrize("way", WAYS)
def test_a_mark_in_space_falls_back_to_its_frame_of_reference(house, way):
    made = study(f"misled in space {way}")
    drawn = [DrawnMark(made.axes[0], "lesion")]
    report = recist_report(drawn, made.ct, "misled", coordinates=Coordinates.SPACE)
    with source_of(way, made.ct) as source:
        node = house(settings_of(way, source), retry=SLOWLY)
        node.put([misled(report)])
        node.until_ready()
    assert [words for words, _ in words_of(node)][1:] == [
        "CT in reference",
        f"series {made.ct[0].SeriesInstanceUID}",
    ]


def test_where_the_image_is_not_found_its_frame_of_reference_is(house):
    made = study("no search by image")
    with WebSourceStandIn(made.ct) as source:
        source.finds_images = False
        node = house(settings_of("dicomweb", source), retry=SLOWLY)
        node.put([structure_set(made, [circles_of(made)])])
        node.until_ready()
    by_image, by_frame, series = node.retrievals()
    assert "does not have the image" in by_image.peer_words
    assert by_frame.frame_of_reference_uid == made.ct[0].FrameOfReferenceUID
    assert series.series_instance_uid == made.ct[0].SeriesInstanceUID


def test_what_is_missed_while_a_series_comes_is_not_asked_for_apart(house):
    """A structure set refers to many images: some are here while others are still to come."""
    made = study("slow series")
    with WebSourceStandIn(made.ct) as source:
        source.finds_images = False

        def slowly(handler, image) -> None:
            if len(source.fetched) % 4 == 0:
                time.sleep(0.6)
            serve_multipart(handler, image)

        source.serve = slowly
        node = house(settings_of("dicomweb", source), retry=SLOWLY)
        node.put([structure_set(made, [circles_of(made)])])
        node.until_ready()
    assert len(node.retrievals()) == 3


def test_an_image_that_is_not_in_the_series_that_it_should_be_in_is_looked_for(house):
    made, other = study("misfiled"), study("another series")
    for image in other.ct:
        image.StudyInstanceUID = made.ct[0].StudyInstanceUID
        image.PatientID = made.ct[0].PatientID
    (evidence,) = made.report.CurrentRequestedProcedureEvidenceSequence
    evidence.ReferencedSeriesSequence[0].SeriesInstanceUID = other.ct[0].SeriesInstanceUID
    with WebSourceStandIn([*made.ct, *other.ct]) as source:
        node = house(settings_of("dicomweb", source))
        node.put([made.report])
        node.until_ready()
    assert {i.series_instance_uid for i in node.instances() if i.modality == "CT"} == {
        made.ct[0].SeriesInstanceUID,
        other.ct[0].SeriesInstanceUID,
    }


def test_a_source_that_is_away_is_asked_for_nothing_else(house):
    made = study("away, no search")
    with DicomSourceStandIn([]) as source:
        away = settings_of("c-get", source)
    node = house(away, retry={"first_wait_s": 0.1, "factor": 1.0, "attempts": 3})
    node.put([made.report])
    node.until(
        lambda: [r.state for r in node.retrievals()] == [RetrievalState.EXHAUSTED], "the end"
    )


def test_when_all_has_been_tried_every_step_says_why(house):
    made = study("nowhere")
    with WebSourceStandIn([]) as source:
        node = house(settings_of("dicomweb", source), retry={"first_wait_s": 0.1, "attempts": 2})
        node.put([made.report])
        node.until(
            lambda: [r.state for r in node.retrievals()] == [RetrievalState.EXHAUSTED] * 2, "end"
        )
    named, searched = node.retrievals()
    assert "does not have the series" in named.peer_words
    assert "does not have the image in the study" in searched.peer_words


@pytest.mark.parametrize("axes", [False, True])
@pytest.mark.parametrize("way", WAYS)
def test_a_seg_that_a_report_refers_to_is_fetched_and_then_its_ct(house, way, axes):
    made, seg = with_seg(f"refers to a seg {way} {axes}")
    with source_of(way, [*made.ct, seg]) as source:
        node = house(settings_of(way, source))
        node.put([with_reference(made, seg, axes=axes)])
        node.until(lambda: LesionState.READY in {x.state for x in node.lesions()}, "a lesion")
    assert seg.SOPInstanceUID in {i.sop_instance_uid for i in node.instances()}
    assert {lesion.absent_seg for lesion in node.lesions()} == {None}


def test_the_evidence_tells_the_series_of_a_seg(house):
    made, seg = with_seg("seg in the evidence")
    report = with_reference(made, seg)
    (evidence,) = report.CurrentRequestedProcedureEvidenceSequence
    series, image = Dataset(), Dataset()
    image.ReferencedSOPClassUID = seg.SOPClassUID
    image.ReferencedSOPInstanceUID = seg.SOPInstanceUID
    series.SeriesInstanceUID, series.ReferencedSOPSequence = seg.SeriesInstanceUID, [image]
    evidence.ReferencedSeriesSequence.append(series)
    with WebSourceStandIn([*made.ct, seg]) as source:
        node = house(settings_of("dicomweb", source))
        node.put([report])
        node.until_ready()
        node.until_done()
    assert {r.series_instance_uid for r in node.retrievals()} == {
        seg.SeriesInstanceUID,
        made.ct[0].SeriesInstanceUID,
    }


def with_seg(seed: str) -> tuple[Study, Dataset]:
    made = study(seed)
    return made, segmentation(made.ct, [ball()], seed)


@pytest.mark.parametrize("way", WAYS)
def test_of_an_enhanced_series_the_other_objects_are_fetched(house, way):
    made = study(f"enhanced {way}")
    series = f"{made.ct[0].SeriesInstanceUID}.7"
    parts = [
        enhanced_ct(frames_of(made.ct[part]), way, number=number, series=series)
        for number, part in enumerate([slice(0, 12), slice(12, 24)], start=1)
    ]
    mark = segmentation(parts[1:], [ball()[12:]], way)
    with source_of(way, parts) as source:
        node = house(settings_of(way, source))
        node.put([parts[0], mark])
        node.until(lambda: len(node.instances()) == 3, "the other object")
        node.until_done()
    (retrieval,) = node.retrievals()
    assert retrieval.series_instance_uid == series
    assert retrieval.instances == 1
