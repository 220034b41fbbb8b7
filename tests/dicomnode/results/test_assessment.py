"""A verdict goes back with the objects that it is about, and with whose it is."""

from __future__ import annotations

import pytest

from dicomnode.collect.examine import is_result
from dicomnode.results import report_codes as code
from dicomnode.results.assessment import Judgement, assessment
from dicomnode.results.document_uids import NothingToReport
from dicomnode.results.fractional_seg import fractional_seg
from dicomnode.results.lesion_result import MarkSource
from dicomnode.store.verdicts import REASONS
from tests.dicomnode.results.documents import saved
from tests.dicomnode.results.lesions import EQUIPMENT, ball_result

REJECTED = Judgement("1", "Jörg^=\\", 1e9, False, reason="other", meaning="m", words="Zu groß")


def item(document, name):
    (found,) = [i for i in document.ContentSequence if i.ConceptNameCodeSequence[0] == name]
    return found


@pytest.fixture(scope="module")
def seg():
    return fractional_seg(ball_result())


def test_it_says_who_said_what_of_which_objects(seg):
    judged = [MarkSource.of(seg)]
    document = saved(assessment(seg, judged, REJECTED, EQUIPMENT))
    assert is_result(document)
    assert document.StudyInstanceUID == seg.StudyInstanceUID
    pointer = item(document, code.JUDGED_RESULT).ReferencedSOPSequence[0]
    assert pointer.ReferencedSOPInstanceUID == seg.SOPInstanceUID
    assert item(document, code.VERDICT).ConceptCodeSequence[0] == code.REJECTED
    because = item(document, code.REJECTED_BECAUSE).ConceptCodeSequence[0]
    assert (because.CodeValue, because.CodeMeaning) == (code.REASONS["other"], "m")
    (person,) = [i for i in document.ContentSequence if i.ValueType == "PNAME"]
    assert person.PersonName == "Jörg^"
    assert item(document, code.JUDGED_AT).DateTime == "20010909014640+0000"
    remark = item(document, code.COMMENT).TextValue
    assert remark == "Research, not for diagnosis. Zu groß"
    assert document.VerificationFlag == "UNVERIFIED"


def test_another_verdict_is_another_document_that_names_the_one_before(seg):
    judged = [MarkSource.of(seg)]
    first = assessment(seg, judged, REJECTED, EQUIPMENT)
    accepted = Judgement("2", "reader", 1e9, True, mended=True)
    second = assessment(seg, judged, accepted, EQUIPMENT, predecessors=[MarkSource.of(first)])
    assert second.SOPInstanceUID != first.SOPInstanceUID
    assert second.SeriesInstanceUID == first.SeriesInstanceUID
    (before,) = second.PredecessorDocumentsSequence
    named = before.ReferencedSeriesSequence[0].ReferencedSOPSequence[0]
    assert named.ReferencedSOPInstanceUID == first.SOPInstanceUID
    assert item(second, code.VERDICT).ConceptCodeSequence[0] == code.ACCEPTED_AS_MENDED
    assert assessment(seg, judged, REJECTED, EQUIPMENT).SOPInstanceUID == first.SOPInstanceUID


def test_every_reason_has_a_code_and_no_objects_give_no_document(seg):
    assert code.REASONS.keys() == REASONS.keys()
    with pytest.raises(NothingToReport):
        assessment(seg, [], REJECTED, EQUIPMENT)
