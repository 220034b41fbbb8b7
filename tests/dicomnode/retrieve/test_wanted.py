"""What a mark's object says of its images leads to their series; what it lacks is searched for."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from dicomnode.demo.recist_sr import Coordinates, DrawnMark, recist_report
from dicomnode.receive.sop_classes import CT_CLASSES
from dicomnode.retrieve.wanted import Want, wanted_images
from dicomnode.store.tables import Retrieval
from tests.dicomnode.studies import study

CT = "1.2.840.10008.5.1.4.1.1.2"
MR = "1.2.840.10008.5.1.4.1.1.4"


def item(**values: object) -> Dataset:
    dataset = Dataset()
    for keyword, value in values.items():
        setattr(dataset, keyword, Sequence(value) if isinstance(value, list) else value)
    return dataset


def image(uid: str, sop_class: str = CT) -> Dataset:
    return item(ReferencedSOPClassUID=sop_class, ReferencedSOPInstanceUID=uid)


def presentation_state() -> Dataset:
    series = item(SeriesInstanceUID="1.2.5", ReferencedImageSequence=[image("1.2.5.1")])
    return item(StudyInstanceUID="1.2.4", ReferencedSeriesSequence=[series])


def segmentation() -> Dataset:
    own = item(SeriesInstanceUID="1.2.5", ReferencedInstanceSequence=[image("1.2.5.1")])
    other = item(SeriesInstanceUID="1.2.7", ReferencedInstanceSequence=[image("1.2.7.1")])
    elsewhere = item(StudyInstanceUID="1.2.6", ReferencedSeriesSequence=[other])
    return item(
        StudyInstanceUID="1.2.4",
        ReferencedSeriesSequence=[own],
        StudiesContainingOtherReferencedInstancesSequence=[elsewhere],
    )


def structure_set() -> Dataset:
    series = item(SeriesInstanceUID="1.2.5", ContourImageSequence=[image("1.2.5.1")])
    studies = item(ReferencedSOPInstanceUID="1.2.6", RTReferencedSeriesSequence=[series])
    frame = item(FrameOfReferenceUID="1.2.9", RTReferencedStudySequence=[studies])
    return item(StudyInstanceUID="1.2.4", ReferencedFrameOfReferenceSequence=[frame])


def report(*series: Dataset, keyword: str = "CurrentRequestedProcedureEvidenceSequence") -> Dataset:
    studies = item(StudyInstanceUID="1.2.6", ReferencedSeriesSequence=list(series))
    return item(StudyInstanceUID="1.2.4", **{keyword: [studies]})


def series(uid: str, *images: Dataset) -> Dataset:
    return item(SeriesInstanceUID=uid, ReferencedSOPSequence=list(images))


@pytest.mark.parametrize(
    ("dataset", "study_uid"),
    [
        (presentation_state(), "1.2.4"),
        (segmentation(), "1.2.4"),
        (structure_set(), "1.2.6"),
        (report(series("1.2.5", image("1.2.5.1"))), "1.2.6"),
        (
            report(series("1.2.5", image("1.2.5.1")), keyword="PertinentOtherEvidenceSequence"),
            "1.2.6",
        ),
    ],
)
def test_the_series_of_an_image_is_found_in_every_form(dataset, study_uid):
    want = wanted_images(dataset).of_image("1.2.5.1")
    assert want == Want(study_uid, series_instance_uid="1.2.5")
    assert want.sop_class_uid == CT


def test_a_segmentation_names_images_of_other_studies():
    assert wanted_images(segmentation()).of_image("1.2.7.1") == Want("1.2.6", "1.2.7")


def test_a_real_report_leads_to_its_ct():
    made = study("evidence")
    want = wanted_images(made.report).of_image(made.ct[12].SOPInstanceUID)
    assert want == Want(made.ct[0].StudyInstanceUID, made.ct[0].SeriesInstanceUID)


@pytest.mark.parametrize("dataset", [item(StudyInstanceUID="1.2.4"), presentation_state()])
def test_an_image_that_is_not_named_is_searched_for_in_the_own_study(dataset):
    want = wanted_images(dataset).of_image("1.2.5.99")
    assert want == Want("1.2.4", sop_instance_uid="1.2.5.99")


def test_without_any_study_there_is_nothing_to_ask_for():
    images = wanted_images(Dataset())
    assert images.of_image("1.2.5.1") is None
    assert images.of_frame("1.2.9", CT_CLASSES) is None


def test_a_structure_set_tells_the_series_of_its_frame():
    want = wanted_images(structure_set()).of_frame("1.2.9", CT_CLASSES)
    assert want == Want("1.2.6", series_instance_uid="1.2.5")


def test_the_only_ct_series_of_the_evidence_is_taken_for_a_mark_in_space():
    made = study("space evidence")
    drawn = [DrawnMark(made.axes[0], "lesion")]
    dataset = recist_report(drawn, made.ct, "space evidence", coordinates=Coordinates.SPACE)
    want = wanted_images(dataset).of_frame("1.2.9", CT_CLASSES)
    assert want == Want(made.ct[0].StudyInstanceUID, made.ct[0].SeriesInstanceUID)


def test_of_several_ct_series_the_frame_of_reference_decides_at_the_source():
    several = report(
        series("1.2.5", image("1.2.5.1")),
        series("1.2.7", image("1.2.7.1")),
        series("1.2.8", image("1.2.8.1", MR)),
    )
    want = wanted_images(several).of_frame("1.2.9", CT_CLASSES)
    assert want == Want("1.2.6", frame_of_reference_uid="1.2.9")


def test_other_modalities_are_no_candidates_for_a_mark_in_space():
    mixed = report(series("1.2.5", image("1.2.5.1")), series("1.2.8", image("1.2.8.1", MR)))
    assert wanted_images(mixed).of_frame("1.2.9", CT_CLASSES) == Want("1.2.6", "1.2.5")


@pytest.mark.filterwarnings("ignore:Invalid value for VR UI")
def test_a_broken_item_costs_that_item():
    broken = report(
        series("no uid", image("1.2.5.1")),
        item(ReferencedSOPSequence=[image("1.2.6.1")]),
        series("1.2.7", image("nonsense"), Dataset(), image("1.2.7.1")),
    )
    images = wanted_images(broken)
    assert images.of_image("1.2.7.1") == Want("1.2.6", "1.2.7")
    assert images.of_image("1.2.5.1") == Want("1.2.4", sop_instance_uid="1.2.5.1")
    assert set(images.references) == {"1.2.7.1"}


@given(st.data())
def test_nothing_that_stands_where_a_sequence_should_raises(data):
    dataset = data.draw(st.sampled_from([presentation_state, segmentation, structure_set]))()
    places = [element.tag for element in dataset.iterall()]
    tag = data.draw(st.sampled_from(places))
    for level in [
        dataset,
        *(e for element in dataset if element.VR == "SQ" for e in element.value),
    ]:
        if tag in level:
            level[tag]._value = data.draw(st.sampled_from([None, "", b"\xff", 7, ["1.2", "1.3"]]))
    images = wanted_images(dataset)
    want = images.of_image("1.2.5.1")
    assert want is None or want.study_instance_uid in ("1.2.4", "1.2.6")


def test_a_want_is_of_one_thing():
    with pytest.raises(ValueError, match="one of them"):
        Want("1.2.3", series_instance_uid="1.2.4", sop_instance_uid="1.2.5")
    with pytest.raises(ValueError, match="one of them"):
        Want("1.2.3")


def test_what_is_named_comes_before_a_search_and_the_image_before_its_space():
    images = wanted_images(report(series("1.2.5", image("1.2.5.1"))))
    assert images.steps("1.2.5.1", "1.2.9", CT_CLASSES) == (
        Want("1.2.6", series_instance_uid="1.2.5"),
        Want("1.2.6", sop_instance_uid="1.2.5.1"),
        Want("1.2.4", sop_instance_uid="1.2.5.1"),
        Want("1.2.6", frame_of_reference_uid="1.2.9"),
        Want("1.2.4", frame_of_reference_uid="1.2.9"),
    )
    assert images.steps(None, "1.2.9", CT_CLASSES) == (
        Want("1.2.6", series_instance_uid="1.2.5"),
        Want("1.2.6", frame_of_reference_uid="1.2.9"),
        Want("1.2.4", frame_of_reference_uid="1.2.9"),
    )
    assert wanted_images(Dataset()).steps("1.2.5.1", "1.2.9", CT_CLASSES) == ()


@pytest.mark.parametrize("what", ["series", "sop", "frame_of_reference"])
def test_words_of_the_longest_uids_fit_their_column(what):
    uid = "2.25." + "3" * 59
    key = {"series": "series_instance_uid", "sop": "sop_instance_uid"}.get(what)
    want = Want(uid, **{key or "frame_of_reference_uid": uid})
    assert len(want.words) <= Retrieval.__table__.c.wanted.type.length
