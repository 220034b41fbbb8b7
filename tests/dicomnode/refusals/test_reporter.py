"""What was refused of an object goes back in one document, and is taken back when that changes."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydicom.uid import ComprehensiveSRStorage, ExplicitVRLittleEndian
from sqlalchemy import select

from dicomnode.collect.kinship import Verdict
from dicomnode.collect.supersede import settle
from dicomnode.deliver import capabilities
from dicomnode.deliver.capabilities import Offer, ProbeOutcome
from dicomnode.explain import explain
from dicomnode.jobs import lesion_queue
from dicomnode.results.not_processed import NONE_ANY_MORE
from dicomnode.store.states import DeliveryState, LesionState, SummaryState
from dicomnode.store.tables import Lesion, RefusalReport, Result
from tests.dicomnode.refusals.desk import (
    ASKING,
    predecessors,
    reasons,
    resaved,
    source_of,
    spoil,
)
from tests.dicomnode.studies import study

TWO = [(10, 20, 20), (13, 42, 40)]


def published(desk, lesion_id: int) -> None:
    """As if a worker had made something of a lesion."""
    with desk.database.write() as session:
        lesion_queue.record_published(session, lesion_id, ())
    desk.reporter.report_due()


def test_what_is_refused_when_it_is_read_goes_back_and_the_rest_is_processed(desk):
    made = study("partly", centres=TWO)
    spoil(made.report, 1)
    desk.take(*made.ct, made.report)
    assert desk.states() == [LesionState.READY]
    assert desk.documents() == [], "the other mark is being worked at"
    published(desk, 1)
    (document,) = desk.documents()
    assert len(reasons(document)) == 1
    assert source_of(document) == made.report.SOPInstanceUID
    assert document.PatientID == made.report.PatientID
    assert document.StudyInstanceUID == made.report.StudyInstanceUID


def test_an_object_of_which_nothing_can_be_used_goes_back(desk):
    made = study("nothing")
    desk.take(spoil(made.report, 0))
    assert desk.lesions() == []
    (document,) = desk.documents()
    assert len(reasons(document)) == 1
    assert desk.published


def test_slices_that_never_come_are_told_of(desk):
    made = study("no slices", centres=TWO)
    desk.take(made.report)
    assert desk.documents() == []
    desk.expire()
    (document,) = desk.documents()
    assert [reason.split(":")[0] for _, reason in reasons(document)] == ["waited 1 h"] * 2


def test_a_patient_who_differs_is_told_of_without_a_patient_id(desk):
    made = study("other patient")
    made.report.PatientID = "SOMEBODY-ELSE"
    desk.take(*made.ct, made.report)
    (document,) = desk.documents()
    ((_, reason),) = reasons(document)
    assert "Patient ID" in reason
    assert "SOMEBODY" not in reason
    assert document.PatientID == "SOMEBODY-ELSE", "it goes where the mark is"


def test_work_that_is_refused_or_fails_is_told_of(desk):
    made = study("work", centres=TWO)
    desk.take(*made.ct, made.report)
    with desk.database.write() as session:
        lesion_queue.record_refused(session, 1, "nothing stands out")
        lesion_queue.record_fault(session, 2, "ValueError", attempts=1)
    desk.reporter.report_due()
    (document,) = desk.documents()
    assert [reason for _, reason in reasons(document)] == [
        "nothing stands out",
        "attempt 1 of 1: ValueError",
    ]


def test_more_refusals_make_a_document_that_names_the_one_before(desk):
    made = study("more", centres=TWO)
    spoil(made.report, 1)
    desk.take(made.report)
    assert len(reasons(desk.documents()[0])) == 1
    desk.deliver()
    desk.expire()
    before, after = desk.documents()
    assert len(reasons(after)) == 2
    assert predecessors(after) == [before.SOPInstanceUID]
    assert before.SeriesInstanceUID == after.SeriesInstanceUID


def test_a_document_that_was_not_sent_is_withdrawn_and_not_named(desk):
    made = study("unsent", centres=TWO)
    spoil(made.report, 1)
    desk.take(made.report)
    desk.expire()
    before, after = desk.deliveries()
    assert (before.state, after.state) == (DeliveryState.WITHDRAWN, DeliveryState.QUEUED)
    assert predecessors(desk.documents()[1]) == []


def test_what_is_processed_after_all_is_taken_back_once_it_is(desk):
    made = study("after all")
    desk.take(made.report)
    desk.expire()
    desk.deliver()
    desk.take(*made.ct, made.report)
    assert desk.states() == [LesionState.READY]
    assert len(desk.documents()) == 1, "nothing is decided yet"
    published(desk, 1)
    before, after = desk.documents()
    assert reasons(after) == []
    assert NONE_ANY_MORE in after.ContentSequence[-1].TextValue
    assert predecessors(after) == [before.SOPInstanceUID]


def test_what_waits_again_stays_told_of_until_it_is_decided(desk):
    made = study("again")
    desk.take(made.report)
    desk.expire()
    desk.deliver()
    desk.take(made.report)
    assert desk.states() == [LesionState.WAITING]
    desk.expire()
    assert len(desk.documents()) == 1, "it is refused for the same reason"


def test_what_is_refused_taken_back_and_refused_again_names_no_document_twice(desk):
    made = study("to and fro")
    desk.take(made.report)
    desk.expire()
    desk.deliver()
    desk.take(*made.ct, made.report)
    published(desk, 1)
    desk.deliver()
    with desk.database.write() as session:
        session.get_one(Lesion, 1).state = LesionState.FAILED
    desk.take(made.report)
    ((_, reason),) = reasons(desk.documents()[0])
    with desk.database.write() as session:
        lesion_queue.record_refused(session, 1, reason)
    desk.reporter.report_due()
    documents = desk.documents()
    uids = [document.SOPInstanceUID for document in documents]
    assert len(set(uids)) == 3
    assert reasons(documents[2]) == reasons(documents[0])
    assert [predecessors(document) for document in documents] == [[], uids[:1], uids[1:2]]


def test_a_document_that_never_left_is_taken_back_without_another_one(desk):
    made = study("never left")
    desk.take(made.report)
    desk.expire()
    desk.take(*made.ct, made.report)
    published(desk, 1)
    (only,) = desk.deliveries()
    assert only.state is DeliveryState.WITHDRAWN


def test_each_object_with_the_mark_is_told_of(desk):
    one, other = study("two objects"), study("two objects")
    resaved(other.report, ".2")
    desk.take(one.report, other.report)
    desk.expire()
    told = {source_of(document) for document in desk.documents()}
    assert told == {one.report.SOPInstanceUID, other.report.SOPInstanceUID}


def test_the_same_refusals_again_make_no_second_document(desk):
    made = study("same")
    desk.take(spoil(made.report, 0))
    desk.take(made.report)
    assert len(desk.documents()) == 1


def test_a_dead_letter_is_sent_again_when_its_object_is(desk):
    made = study("dead letter")
    desk.take(spoil(made.report, 0))
    desk.deliver(DeliveryState.REFUSED)
    desk.take(made.report)
    (only,) = desk.deliveries()
    assert only.state is DeliveryState.QUEUED


def test_nothing_is_sent_back_that_no_rule_asks_for(database, desk):
    made = study("unasked")
    desk.configure({"destinations": ["pacs"]})
    desk.take(spoil(made.report, 0))
    assert desk.documents() == []
    # Whoever asks from now on is not flooded with what was refused before.
    desk.configure(ASKING)
    desk.reporter.report_due()
    assert desk.documents() == []
    desk.take(made.report)
    assert len(desk.documents()) == 1, "sent again, it is told of"


def test_that_no_rule_matches_is_not_sent_back(desk):
    made = study("no rule", centres=TWO)
    desk.configure(ASKING | {"match": {"modality": "MR"}})
    desk.take(*made.ct, made.report)
    assert all("no rule matches" in lesion.reason for lesion in desk.lesions())
    assert desk.documents() == []
    # Nor under a rule that comes later and would fit: the reason quotes the CT's descriptions.
    desk.configure(ASKING)
    desk.refuse(2, "nothing stands out")
    (document,) = desk.documents()
    assert [reason for _, reason in reasons(document)] == ["nothing stands out"]


def test_a_rule_that_no_longer_asks_takes_nothing_back(desk):
    made = study("asks no longer")
    desk.take(spoil(made.report, 0))
    desk.deliver()
    desk.configure({"destinations": ["pacs"]}, ASKING | {"match": {"calling_ae": "NOBODY"}})
    desk.take(made.report)
    assert len(desk.documents()) == 1


def test_a_destination_that_refuses_the_class_gets_none_and_others_do(database, desk):
    made = study("class")
    desk.configure(ASKING | {"destinations": ["pacs", "archive"]})
    offer = Offer(ComprehensiveSRStorage, ExplicitVRLittleEndian, accepted=False)
    with database.write() as session:
        capabilities.record(session, desk.destinations[0], ProbeOutcome(True, "", (offer,)))
    desk.take(spoil(made.report, 0))
    assert desk.documents("pacs") == []
    assert len(desk.documents("archive")) == 1
    assert "pacs does not get it: it did not accept" in desk.report(made.report).reason


def test_destinations_that_are_told_the_same_share_a_document(desk):
    made = study("shared")
    desk.configure(ASKING | {"destinations": ["pacs", "archive"]})
    desk.take(spoil(made.report, 0))
    (one,), (other,) = desk.documents("pacs"), desk.documents("archive")
    assert one.SOPInstanceUID == other.SOPInstanceUID


def test_what_comes_within_the_quiet_moment_is_in_one_document(desk):
    made = study("quiet", centres=TWO)
    desk.configure(ASKING, gather_s=3600)
    spoil(made.report, 1)
    desk.take(made.report)
    desk.expire()
    assert desk.documents() == []
    with desk.database.write() as session:
        session.scalars(select(RefusalReport)).one().waits_from -= 3600
    desk.reporter.report_due()
    (document,) = desk.documents()
    assert len(reasons(document)) == 2


def test_a_kill_before_the_row_leaves_one_document(desk, monkeypatch):
    made = study("killed")
    desk.read(spoil(made.report, 0))

    def kill(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(desk.reporter, "_record", kill)
        with pytest.raises(KeyboardInterrupt):
            desk.reporter.report_due()
    assert desk.deliveries() == []
    desk.configure(ASKING)
    desk.reporter.report_due()
    (document,) = desk.documents()
    with desk.database.read() as session:
        (result,) = session.scalars(select(Result))
    files = [path.name for path in Path(result.path).parent.iterdir()]
    assert files == [f"{document.SOPInstanceUID}.dcm"]


def test_what_changes_while_a_document_is_written_is_in_the_next_one(desk, monkeypatch):
    made = study("meanwhile", centres=TWO)
    spoil(made.report, 1)
    desk.read(made.report)
    write = desk.reporter._write

    def slow(*given):
        monkeypatch.undo()
        desk.be_impatient()  # the second refusal comes while the first is written
        return write(*given)

    monkeypatch.setattr(desk.reporter, "_write", slow)
    desk.reporter.report_due()
    (document,) = desk.documents()
    assert len(reasons(document)) == 2


def test_a_document_that_goes_out_while_the_next_is_written_is_named_by_it(desk, monkeypatch):
    made = study("goes out", centres=TWO)
    desk.take(spoil(made.report, 1))
    desk.be_impatient()
    write = desk.reporter._write

    def slow(*given):
        monkeypatch.undo()
        desk.deliver()
        return write(*given)

    monkeypatch.setattr(desk.reporter, "_write", slow)
    desk.reporter.report_due()
    before, after = desk.documents()
    assert predecessors(after) == [before.SOPInstanceUID]
    assert [d.state for d in desk.deliveries()] == [DeliveryState.ACCEPTED, DeliveryState.QUEUED]


def test_a_mark_that_makes_way_for_another_is_decided(desk):
    made, other = study("makes way", centres=TWO), study("stands")
    desk.configure(ASKING | {"match": {"body_part": "CHEST"}})
    desk.read(spoil(made.report, 1), other.report)
    desk.reporter.report_due()
    assert desk.documents() == [], "the CT of the other mark would say whether the rule fits"
    first, second = desk.lesions()
    with desk.database.write() as session:
        for lesion in (first, second):
            session.merge(lesion).state = LesionState.READY
    with desk.database.write() as session:
        settle(session, [Verdict(first.id, replaced_by=second.id, why="newer")])
    desk.reporter.report_due()
    (document,) = desk.documents()
    assert source_of(document) == made.report.SOPInstanceUID


def test_an_object_that_cannot_be_read_any_more_parks_its_report_and_no_other(desk, monkeypatch):
    lost, sound = study("lost"), study("sound")
    desk.read(spoil(lost.report, 0), spoil(sound.report, 0))
    true_head = desk.reporter._write

    def write(document, source, folder):
        if source.sop_instance_uid == lost.report.SOPInstanceUID:
            raise ZeroDivisionError("Somebody^Named")
        return true_head(document, source, folder)

    monkeypatch.setattr(desk.reporter, "_write", write)
    for _ in range(2):
        with desk.database.write() as session:
            for row in session.scalars(select(RefusalReport)):
                row.waits_from = 0.0
        desk.reporter.report_due()
    assert len(desk.documents()) == 1
    row = desk.report(lost.report)
    assert row.state is SummaryState.FAILED
    assert "attempt 2 of 2: ZeroDivisionError" in row.reason
    assert "Somebody" not in row.reason


def test_explain_tells_what_was_sent_back_and_why_not(desk):
    made = study("explained")
    desk.take(spoil(made.report, 0))
    (document,) = desk.documents()
    with desk.database.read() as session:
        of_mark = "\n".join(explain(session, made.report.SOPInstanceUID))
        of_result = "\n".join(explain(session, document.SOPInstanceUID))
    assert "refusals sent back" in of_mark
    assert "1 refused under rule 'rule 0'" in of_mark
    assert document.SOPInstanceUID in of_mark
    assert f"of the refused marks of object {made.report.SOPInstanceUID}" in of_result
    assert "to pacs: queued" in of_result
