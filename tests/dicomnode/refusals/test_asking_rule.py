"""A refusal falls under the first rule that nothing known of the mark and its CT speaks against."""

from __future__ import annotations

import pytest
from pydicom.uid import MRImageStorage

from dicomnode.routing import Candidate, Match
from dicomnode.routing.verdicts import Verdict
from dicomnode.store.states import LesionState
from tests.dicomnode.refusals.desk import ASKING, reasons, spoil
from tests.dicomnode.studies import study

CHEST = {"body_part": "CHEST"}


def elsewhere(made, part: str):
    """Another body part for all slices."""
    for image in made.ct:
        image.BodyPartExamined = part
    return made


def test_a_condition_on_what_is_not_known_holds_and_is_named():
    candidate = Candidate("PACS", "NODE", "1.2", "CT", None, None, None)
    match = Match(body_part="CHEST", modality="CT", series_description="*lung*")
    assert match.judge(candidate).verdict is Verdict.UNKNOWN
    assert match.undecided(candidate) == ("body_part", "series_description")
    other = Match(modality="MR", body_part="CHEST").judge(candidate)
    assert other.verdict is Verdict.FAILS
    assert other.failing == "modality is one of 'MR': found 'CT'"


def test_without_its_ct_an_object_is_told_of_where_the_rule_may_fit(desk):
    made = study("not known")
    desk.configure(ASKING | {"match": CHEST})
    desk.take(spoil(made.report, 0))
    assert len(desk.documents()) == 1
    assert "taken to fit, for not known: body_part" in desk.report(made.report).reason


def test_what_the_object_says_itself_is_known(desk):
    made = study("abdomen")
    made.report.BodyPartExamined = "ABDOMEN"
    desk.configure(ASKING | {"match": CHEST})
    desk.take(spoil(made.report, 0))
    assert desk.documents() == []
    assert "1 refused under no rule" in desk.report(made.report).reason


def test_a_study_description_that_is_stated_is_known_and_an_empty_one_is_not(desk):
    stated, silent = study("stated"), study("silent")
    stated.report.StudyDescription = "Knee"
    silent.report.StudyDescription = ""
    desk.configure(ASKING | {"match": {"study_description": "*thorax*"}})
    desk.take(spoil(stated.report, 0), spoil(silent.report, 0))
    (document,) = desk.documents()
    assert document.StudyInstanceUID == silent.report.StudyInstanceUID


@pytest.mark.parametrize(("sop_class", "told"), [(None, True), (MRImageStorage, False)])
def test_the_modality_is_known_by_the_classes_of_the_images_that_are_named(desk, sop_class, told):
    made = study("modality")
    if sop_class is not None:
        for item in made.report.CurrentRequestedProcedureEvidenceSequence:
            for series in item.ReferencedSeriesSequence:
                for image in series.ReferencedSOPSequence:
                    image.ReferencedSOPClassUID = sop_class
    desk.configure(ASKING | {"match": {"modality": "CT"}})
    desk.take(spoil(made.report, 0))
    assert bool(desk.documents()) is told
    assert "not known" not in desk.report(made.report).reason


def test_a_ct_that_the_object_names_decides_if_it_is_here(desk):
    made = elsewhere(study("named"), "ABDOMEN")
    desk.configure(ASKING | {"match": CHEST})
    desk.take(*made.ct, spoil(made.report, 0))
    assert desk.documents() == []
    assert "1 refused under no rule" in desk.report(made.report).reason


def test_another_lesion_of_the_object_lends_its_ct(desk):
    made = elsewhere(study("lent", centres=[(10, 20, 20), (13, 42, 40)]), "ABDOMEN")
    del made.report.CurrentRequestedProcedureEvidenceSequence
    desk.configure(ASKING | {"match": CHEST})
    desk.take(*made.ct, spoil(made.report, 1))
    assert desk.states() == [LesionState.REFUSED], "no rule matches"
    assert desk.documents() == []


def test_the_rule_that_a_lesion_was_given_stays_its_rule(desk):
    made = study("given", centres=[(10, 20, 20), (13, 42, 40)])
    desk.configure(ASKING | {"name": "asks"})
    desk.read(*made.ct, made.report)
    desk.configure({"name": "first", "destinations": ["archive"]}, ASKING | {"name": "asks"})
    with desk.database.write() as session:
        for lesion in desk.lesions():
            session.merge(lesion).state = LesionState.PUBLISHED
    desk.refuse(2, "nothing stands out")
    (document,) = desk.documents()
    assert [reason for _, reason in reasons(document)] == ["nothing stands out"]


def test_a_rule_that_may_yet_be_known_is_waited_for(desk):
    made = elsewhere(study("may be known", centres=[(10, 20, 20), (13, 42, 40)]), "ABDOMEN")
    other = ASKING | {"destinations": ["archive"]}
    desk.configure(ASKING | {"match": CHEST}, other)
    desk.take(spoil(made.report, 1))
    assert desk.states() == [LesionState.WAITING]
    assert desk.documents("pacs") == desk.documents("archive") == []
    assert "waits until every mark" in desk.report(made.report).reason
    desk.take(*made.ct)
    desk.refuse(1, "nothing stands out")
    assert desk.documents("pacs") == []
    (document,) = desk.documents("archive")
    assert len(reasons(document)) == 2


def test_a_rule_that_is_certain_is_not_waited_for(desk):
    made = study("certain", centres=[(10, 20, 20), (13, 42, 40)])
    desk.take(spoil(made.report, 1))
    assert desk.states() == [LesionState.WAITING]
    assert len(desk.documents()) == 1


def test_each_rule_has_its_own_destinations_told(desk):
    one, other = study("one"), study("other")
    for sent, name in ((one, "Reader^One"), (other, "Reader^Other")):
        sent.report.PatientName = name
    one.report.StudyDescription, other.report.StudyDescription = "A", "B"
    desk.configure(
        ASKING | {"match": {"study_description": "A"}},
        ASKING | {"match": {"study_description": "B"}, "destinations": ["archive"]},
    )
    desk.take(spoil(one.report, 0), spoil(other.report, 0))
    (first,), (second,) = desk.documents("pacs"), desk.documents("archive")
    assert (first.StudyDescription, second.StudyDescription) == ("A", "B")


def test_a_dry_run_reports_no_refusals(desk):
    desk.configure(ASKING | {"dry_run": True})
    desk.take(spoil(study("tried").report, 0))
    assert desk.documents() == []


def test_an_attribute_of_a_ct_that_never_came_is_not_known(desk):
    thin = {"attribute": "ct.SliceThickness", "range": [0, 1]}
    report = {"attribute": "mark.Modality", "equals": "SR"}
    desk.configure(ASKING | {"when": {"all": [thin, report]}})
    made = study("attribute")
    desk.take(spoil(made.report, 0))
    assert len(desk.documents()) == 1
    assert "not known: ct.SliceThickness from 0 to 1" in desk.report(made.report).reason
