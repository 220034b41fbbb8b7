"""STOW-RS: what comes in is kept as what is sent, or refused with its reason (PS3.18 10.5)."""

from __future__ import annotations

import copy
import io
import socket

import pydicom
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom.uid import ExplicitVRBigEndian

from dicomnode.receive.pressure import Pressure, Watermarks
from dicomnode.store.tables import Instance
from dicomnode.web.dicomweb.multipart_in import NotMultipart, Parts
from dicomnode.web.dicomweb.storing import MOST_PARTS
from tests.dicomnode.web.dicomweb.served import Served, message

RELATED = 'multipart/related; type="application/dicom"; boundary=frontier'
OPERATOR = "otto operator viewer"


@pytest.fixture
def empty(tmp_path, database):
    with Served(tmp_path, database) as served:
        yield served


def encoded(dataset) -> bytes:
    buffer = io.BytesIO()
    dataset.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()


def store(served, body, path="/studies", kind=RELATED, badge=OPERATOR):
    return served.ask(
        path, "application/dicom+json", badge=badge, data=body, headers={"Content-Type": kind}
    )


def reasons(model: dict) -> list[int]:
    items = [
        *model.get("00081198", {}).get("Value", []),
        *model.get("0008119A", {}).get("Value", []),
    ]
    return [item["00081197"]["Value"][0] for item in items]


def stored(model: dict) -> list[str]:
    return [item["00081155"]["Value"][0] for item in model.get("00081199", {}).get("Value", [])]


def test_what_is_stored_is_indexed_with_its_sender_and_can_be_retrieved(empty, made, database):
    answer = store(empty, message([encoded(d) for d in (*made.ct, made.report)]))
    assert answer.status_code == 200
    model = answer.json()
    assert stored(model) == [d.SOPInstanceUID for d in (*made.ct, made.report)]
    study = f"{empty.url}/studies/{made.ct[0].StudyInstanceUID}"
    assert model["00081190"]["Value"] == [study]
    assert model["00081199"]["Value"][0]["00081190"]["Value"][0].startswith(f"{study}/series/")
    with database.read() as session:
        row = session.get(Instance, str(made.ct[0].SOPInstanceUID))
    assert (row.calling_ae, row.called_ae) == ("otto", "DICOMNODE")
    kept = pydicom.dcmread(row.path)
    assert kept.PixelData == made.ct[0].PixelData
    assert len(empty.stored) == 7
    assert len(empty.json("/instances")) == 7
    assert [look.action for look in empty.looks][:1] == ["write"]


def test_some_may_fail_and_others_be_stored(empty, made):
    other_class = copy.deepcopy(made.report)
    other_class.SOPClassUID = "1.2.840.10008.5.1.4.1.1.4"  # MR
    other_class.file_meta.MediaStorageSOPClassUID = other_class.SOPClassUID
    cut_off = encoded(made.ct[1])[:-1000]
    body = message([encoded(made.ct[0]), encoded(other_class), cut_off, b"not DICOM"])
    answer = store(empty, body)
    assert answer.status_code == 202
    assert stored(answer.json()) == [made.ct[0].SOPInstanceUID]
    assert reasons(answer.json()) == [0x0122, 0xC000, 0xC000]
    assert len(empty.stored) == 1
    assert list((empty.folder / "store" / "incoming").iterdir()) == []


def test_an_instance_of_another_study_is_refused(empty, made):
    answer = store(empty, message([encoded(made.ct[0])]), "/studies/1.2.3")
    assert answer.status_code == 409
    assert reasons(answer.json()) == [0xA900]
    assert empty.stored == []
    path = f"/studies/{made.ct[0].StudyInstanceUID}"
    assert store(empty, message([encoded(made.ct[0])]), path).status_code == 200


def test_a_transfer_syntax_that_no_association_is_given_is_refused(empty, made):
    report = pydicom.dcmread(io.BytesIO(encoded(made.report)))
    content = encoded(report)
    little, big = b"1.2.840.10008.1.2.1\0", f"{ExplicitVRBigEndian}\0".encode()
    assert len(little) == len(big)
    answer = store(empty, message([content.replace(little, big, 1)]))
    assert (answer.status_code, reasons(answer.json())) == (409, [0xC122])


def test_one_object_needs_no_message_of_parts(empty, made):
    answer = store(empty, encoded(made.ct[0]), kind="application/dicom")
    assert (answer.status_code, len(stored(answer.json()))) == (200, 1)


def test_without_room_it_is_to_be_sent_again(tmp_path, database, made):
    full = Watermarks(2**40, 2**40, 0, 10**6, 10**6)
    with Served(tmp_path, database, Pressure(full, lambda: 10, lambda: 0)) as served:
        answer = store(served, message([encoded(made.ct[0])]))
        assert (answer.status_code, reasons(answer.json())) == (503, [0xA700])
        assert int(answer.headers["Retry-After"]) > 0
    marks = Watermarks(2**40, 1, 0, 10**6, 10**6)
    with Served(tmp_path, database, Pressure(marks, lambda: 10, lambda: 0)) as served:
        answer = store(served, message([encoded(made.ct[0]), encoded(made.report)]))
        assert (answer.status_code, reasons(answer.json())) == (202, [0xA700])
        assert stored(answer.json()) == [made.report.SOPInstanceUID]


@pytest.mark.parametrize(
    ("kind", "body", "status"),
    [
        ("multipart/related; type=application/dicom", b"x", 400),
        (RELATED.replace("frontier", "f" * 71), b"x", 400),
        ('multipart/related; type="application/dicom+json"; boundary=frontier', b"x", 415),
        ("application/json", b"{}", 415),
        ("", b"x", 415),
        (RELATED, b"", 400),
        (RELATED, b"no part", 400),
        (RELATED, b"x" * 100_000, 400),
        (RELATED, b"--frontier--", 400),
        (RELATED, b"--frontier\r\n", 400),
        (RELATED, b"--frontier\r\nContent-Type: application/dicom\r\n\r\n", 400),
        (RELATED, b"--frontier\r\n" + b"a: b\r\n" * 5000, 400),
        (RELATED, b"--frontier\r\nContent-Type: text/plain\r\n\r\nx\r\n--frontier--", 415),
        (RELATED, message([b""]), 409),
        (RELATED, message([b"\0" * 132 + b"DICM"]), 409),
    ],
)
def test_what_brings_no_object_is_refused(empty, kind, body, status):
    answer = store(empty, body, kind=kind)
    assert answer.status_code == status, answer.text
    assert empty.stored == []


def test_a_message_that_is_cut_off_says_what_was_stored(empty, made):
    body = message([encoded(made.ct[0]), encoded(made.ct[1])])
    answer = store(empty, body[:-2000])
    assert answer.status_code == 400
    assert stored(answer.json()) == [made.ct[0].SOPInstanceUID]
    assert "ends within a part" in answer.headers["Warning"]
    assert len(empty.stored) == 1


def test_ten_thousand_parts_are_too_many(empty):
    answer = store(empty, message([b"x"] * 10_000))
    assert answer.status_code == 413
    assert len(reasons(answer.json())) == MOST_PARTS


def test_an_object_or_a_request_that_is_too_large_is_not_taken(tmp_path, database, made):
    content = encoded(made.ct[0])
    with Served(tmp_path, database, most_object=len(content) - 400) as served:
        answer = store(served, message([content, encoded(made.report)[:300]]))
        assert answer.status_code == 409
        assert served.stored == []
    with Served(tmp_path, database, most_request=40 * len(content)) as served:
        assert store(served, message([content] * 60)).status_code == 413
        assert served.stored == []
        # Not announced, so found out while it comes.
        answer = store(served, iter([message([content] * 60)]))
        assert answer.status_code == 413
        assert 0 < len(stored(answer.json())) == len(served.stored) < 40


def test_who_leaves_in_the_midst_leaves_nothing(empty, made):
    body = message([encoded(made.ct[0])])
    with socket.create_connection(("127.0.0.1", empty.service.port)) as leaving:
        head = (
            f"POST /dicom-web/studies HTTP/1.1\r\nHost: x\r\nX-Badge: {OPERATOR}\r\n"
            f"Content-Type: {RELATED}\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        leaving.sendall(head.encode() + body[:-1000])
    assert store(empty, message([encoded(made.report)])).status_code == 200
    assert len(empty.stored) == 1


def test_only_operators_store(empty, made):
    body = message([encoded(made.ct[0])])
    assert store(empty, body, badge="anna viewer").status_code == 403
    assert store(empty, body, badge="").status_code == 403
    assert empty.stored == []


def test_a_sender_of_any_name_fits_where_an_ae_title_is_noted(empty, made, database):
    store(empty, message([encoded(made.ct[0])]), badge="a\\b.with-a-very-long-name operator")
    with database.read() as session:
        row = session.get(Instance, str(made.ct[0].SOPInstanceUID))
    assert row.calling_ae == "a_b.with-a-very-"


@settings(max_examples=200, deadline=None)
@given(
    contents=st.lists(
        st.lists(st.sampled_from([b"\r\n", b"--", b"--fron", b"\r\n--frontie", b"x", b"\0"])).map(
            b"".join
        ),
        max_size=4,
    ),
    places=st.lists(st.integers(0, 10_000), max_size=8),
    preamble=st.sampled_from([b"", b"\r\n", b"preamble\r\n"]),
)
def test_parts_come_whole_however_a_message_is_cut(contents, places, preamble):
    whole = preamble + message(contents) + b"\r\nepilogue"
    at = sorted(place % (len(whole) + 1) for place in places)
    chunks = [whole[a:b] for a, b in zip([0, *at], [*at, len(whole)], strict=True)]
    found = [b"".join(content) for _, content in Parts(iter(chunks), "frontier")]
    assert found == contents


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=300), st.integers(1, 50))
def test_noise_is_no_message(noise, size):
    chunks = [noise[at : at + size] for at in range(0, len(noise), size)]
    with pytest.raises(NotMultipart):
        list(Parts(iter(chunks), "a-boundary-that-noise-does-not-hold"))
