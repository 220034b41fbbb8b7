"""QIDO-RS: what is found, by what, and how it is told (PS3.18 10.6)."""

from __future__ import annotations

import copy

import pytest

from dicomnode.store.states import DeliveryState, LesionState
from dicomnode.store.tables import Delivery
from tests.dicomnode.web.dicomweb.objects import fractional_seg, small_study


def values(model: dict, tag: str) -> list:
    return model.get(tag, {}).get("Value", [])


def uids(found: list[dict], tag: str = "0020000D") -> list[str]:
    return [values(model, tag)[0] for model in found]


@pytest.fixture
def two(served, made):
    """Beside `made` another study, of another patient, and some days later."""
    other = small_study("dicomweb, another")
    for dataset in other.ct:
        dataset.PatientName = "Müller^Zoë"
        dataset.SpecificCharacterSet = "ISO_IR 100"
        dataset.PatientID = "ANOTHER"
        dataset.StudyDate = "20200110"
        dataset.AccessionNumber = "A-1"
    served.keep(*other.ct)
    return made, other


def test_a_study_is_told_with_what_it_holds(served, made):
    (found,) = served.json("/studies")
    assert values(found, "0020000D") == [made.ct[0].StudyInstanceUID]
    assert values(found, "00100010") == [{"Alphabetic": str(made.ct[0].PatientName)}]
    assert values(found, "00080061") == ["CT", "SR"]
    assert values(found, "00201206") == [2]
    assert values(found, "00201208") == [len(made.ct) + 1]
    assert values(found, "00081190") == [f"{served.url}/studies/{made.ct[0].StudyInstanceUID}"]
    assert "0020000E" not in found


@pytest.mark.parametrize(
    ("query", "who"),
    [
        ("", {"first", "other"}),
        ("PatientID=ANOTHER", {"other"}),
        ("00100020=ANOTHER", {"other"}),
        ("PatientID=another", set()),  # case counts in all but names
        ("PatientName=m%C3%BCller*", {"other"}),
        ("PatientName=M%C3%BCller%5EZo%C3%AB", {"other"}),
        ("PatientName=*zo?", {"other"}),
        ("PatientName=M%C3%BCller", set()),
        ("PatientName=*", {"first", "other"}),
        ("StudyDate=20200110", {"other"}),
        ("StudyDate=20200105-", {"other"}),
        ("StudyDate=-20200105", {"first"}),
        ("StudyDate=20200101-20200110", {"first", "other"}),
        ("StudyDate=20190101-20191231", set()),
        ("StudyTime=1200-1200", {"first", "other"}),
        ("AccessionNumber=A-1", {"other"}),
        ("ModalitiesInStudy=SR", {"first"}),
        ("ModalitiesInStudy=SR,CT", {"first", "other"}),
        ("NumberOfStudyRelatedInstances=6", {"other"}),
        ("PatientID=ANOTHER&ModalitiesInStudy=SR", set()),
        ("PatientName=", {"first", "other"}),
    ],
)
def test_studies_are_found_by_what_they_say(served, two, query, who):
    first, other = (one.ct[0].StudyInstanceUID for one in two)
    names = {first: "first", other: "other"}
    assert {names[uid] for uid in uids(served.json(f"/studies?{query}"))} == who


def test_studies_are_found_by_a_list_of_uids(served, two):
    first, other = (one.ct[0].StudyInstanceUID for one in two)
    for between in (",", "%5C"):
        found = served.json(f"/studies?StudyInstanceUID={first}{between}{other}{between}1.2.3")
        assert set(uids(found)) == {first, other}
    assert uids(served.json(f"/studies?StudyInstanceUID={other}")) == [other]


def test_series_and_instances_are_found_below_and_across_studies(served, two):
    first, _ = two
    ct = first.ct[0]
    at = f"/studies/{ct.StudyInstanceUID}"
    assert set(uids(served.json(f"{at}/series"), "0020000E")) == {
        ct.SeriesInstanceUID,
        first.report.SeriesInstanceUID,
    }
    (found,) = served.json(f"{at}/series?Modality=CT")
    assert values(found, "00201209") == [len(first.ct)]
    assert len(served.json("/series?Modality=CT")) == 2
    (across,) = served.json("/series?PatientID=ANOTHER")
    assert values(across, "00100020") == ["ANOTHER"]
    (one,) = served.json(f"{at}/series/{ct.SeriesInstanceUID}/instances?InstanceNumber=3")
    assert values(one, "00200013") == [3]
    assert values(one, "00280010") == [ct.Rows]
    assert len(served.json(f"/instances?SOPClassUID={ct.SOPClassUID}&PatientID=ANOTHER")) == 6
    assert served.json("/studies/1.2.3/series") == []


def test_what_is_asked_for_besides_is_told(served, made):
    series = f"/studies/{made.ct[0].StudyInstanceUID}/series/{made.ct[0].SeriesInstanceUID}"
    plain = served.json(f"{series}/instances?limit=1")[0]
    assert "00280030" not in plain
    for field in ("PixelSpacing", "00280030", "all", "StudyDate,PixelSpacing"):
        (told,) = served.json(f"{series}/instances?limit=1&includefield={field}")
        assert values(told, "00280030") == [0.8, 0.8]
    assert "00081140" not in plain


def test_pages_follow_each_other_and_say_what_is_left(served, made):
    at = f"/studies/{made.ct[0].StudyInstanceUID}/instances"
    found, warnings = [], []
    for offset in range(0, 9, 3):
        answer = served.ask(f"{at}?limit=3&offset={offset}")
        found += uids(answer.json(), "00080018")
        warnings.append(answer.headers.get("Warning"))
    assert len(found) == len(set(found)) == 7
    service = served.url
    assert warnings == [
        f'299 {service} "There are 4 additional results that can be requested"',
        f'299 {service} "There are 1 additional results that can be requested"',
        None,
    ]


def test_fuzzy_matching_is_declined_aloud(served):
    answer = served.ask("/studies?fuzzymatching=true&PatientName=SYNTETIC*")
    assert answer.json() == []
    assert "Only literal matching has been performed" in answer.headers["Warning"]
    assert "Warning" not in served.ask("/studies?fuzzymatching=false").headers


@pytest.mark.parametrize(
    "query",
    [
        "StudyInstanceUID=../../etc/passwd",
        "StudyInstanceUID=1.2." + "3" * 70,
        "StudyDate=yesterday",
        "StudyDate=-",
        "StudyDate=20200101-20200102-20200103",
        "limit=-1",
        "limit=9999999999",
        "offset=a",
        "fuzzymatching=perhaps",
        "includefield=NoSuchKeyword",
        "NoSuchKeyword=1",
        "SOPInstanceUID=1.2.3",
        "PixelData=1",
        "a.b.c.d.e=1",
        "&".join(f"PatientID={n}" for n in range(101)),
        "PatientName=" + "*a" * 2000,
    ],
)
def test_what_cannot_be_searched_is_refused_with_a_reason(served, query):
    answer = served.ask(f"/studies?{query}")
    assert answer.status_code == 400, answer.text
    assert answer.headers["Content-Type"].startswith("text/plain")
    assert len(answer.text) < 400


def test_a_pattern_costs_no_time_that_grows_with_its_stars(served):
    assert served.json("/studies?PatientName=" + "*a" * 300 + "*b") == []


def test_results_are_found_beside_what_was_received(served, made, database):
    seg = fractional_seg(made)
    result = served.make(seg)
    (found,) = served.json("/studies?ModalitiesInStudy=SEG")
    assert values(found, "00201208") == [len(made.ct) + 2]
    at = f"/studies/{made.ct[0].StudyInstanceUID}"
    (series,) = served.json(f"{at}/series?Modality=SEG")
    assert values(series, "0020000E") == [seg.SeriesInstanceUID]
    with database.write() as session:
        session.add(Delivery(result_id=result, destination="pacs", state=DeliveryState.WITHDRAWN))
    assert served.json(f"{at}/series?Modality=SEG") == []
    # Sent to one of two: it is what somebody has.
    with database.write() as session:
        session.add(Delivery(result_id=result, destination="other", state=DeliveryState.ACCEPTED))
    assert len(served.json(f"{at}/series?Modality=SEG")) == 1


def test_what_another_result_stands_for_is_not_found(served, made):
    former = fractional_seg(made)
    newer = copy.deepcopy(former)
    newer.SOPInstanceUID = newer.file_meta.MediaStorageSOPInstanceUID = "1.2.3.4"
    served.make(former, LesionState.SUPERSEDED)
    served.make(newer)
    found = served.json(f"/studies/{made.ct[0].StudyInstanceUID}/instances?Modality=SEG")
    assert uids(found, "00080018") == ["1.2.3.4"]


def test_a_result_that_came_back_is_found_once(served, made):
    seg = fractional_seg(made)
    served.make(seg)
    served.keep(seg)
    at = f"/studies/{made.ct[0].StudyInstanceUID}"
    assert len(served.json(f"{at}/instances?Modality=SEG")) == 1
    (found,) = served.json("/studies")
    assert values(found, "00201208") == [len(made.ct) + 2]


def test_a_study_whose_files_are_gone_is_not_found_and_breaks_nothing(served, two):
    for received in served.stored:
        if received.header.study_instance_uid == two[0].ct[0].StudyInstanceUID:
            received.path.unlink()
    assert uids(served.json("/studies")) == [two[1].ct[0].StudyInstanceUID]
