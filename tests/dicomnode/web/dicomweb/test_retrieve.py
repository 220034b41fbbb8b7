"""WADO-RS: instances, metadata, frames and bulk data, in the form that is asked for."""

from __future__ import annotations

import io
import time

import numpy as np
import pydicom
import pytest
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian, JPEGLSLossless, RLELossless

from dicomnode.web.dicomweb.looks import Looks
from tests.dicomnode.web.dicomweb.objects import fractional_seg, odd_binary_seg
from tests.dicomnode.web.dicomweb.served import parts_of

DEFAULT_DICOM = 'multipart/related; type="application/dicom"'
ANY_DICOM = f"{DEFAULT_DICOM}; transfer-syntax=*"
OCTETS = 'multipart/related; type="application/octet-stream"'


def at(dataset) -> str:
    return (
        f"/studies/{dataset.StudyInstanceUID}/series/{dataset.SeriesInstanceUID}"
        f"/instances/{dataset.SOPInstanceUID}"
    )


def read(content: bytes):
    return pydicom.dcmread(io.BytesIO(content))


def test_what_was_stored_comes_back_byte_for_byte(served, made):
    files = {one.header.sop_instance_uid: one.path.read_bytes() for one in served.stored}
    study = f"/studies/{made.ct[0].StudyInstanceUID}"
    for path, count in (
        (study, 7),
        (f"{study}/series/{made.ct[0].SeriesInstanceUID}", 6),
        (at(made.report), 1),
    ):
        answer = served.ask(path, ANY_DICOM)
        assert answer.status_code == 200
        parts = parts_of(answer)
        assert len(parts) == count
        for media, content in parts:
            assert media == f"application/dicom; transfer-syntax={ExplicitVRLittleEndian}"
            assert content == files[read(content).SOPInstanceUID]
    single = served.ask(at(made.report), "application/dicom")
    assert single.content == files[made.report.SOPInstanceUID]
    assert single.headers["Content-Type"].startswith("application/dicom;")


@pytest.mark.parametrize("syntax", [JPEGLSLossless, RLELossless, ImplicitVRLittleEndian])
def test_another_transfer_syntax_is_decoded_unless_it_is_accepted(served, made, syntax):
    ct = pydicom.dcmread(served.stored[0].path)
    ct.SOPInstanceUID = ct.file_meta.MediaStorageSOPInstanceUID = "1.2.3.4"
    values = ct.pixel_array
    if syntax.is_compressed:
        ct.compress(syntax, generate_instance_uid=False)
    else:
        ct = read(as_implicit(ct))
    served.keep(ct)
    ((media, content),) = parts_of(
        served.ask(at(ct), 'multipart/related; type="application/dicom"')
    )
    assert media.endswith(f"transfer-syntax={ExplicitVRLittleEndian}")
    found = read(content)
    assert found.file_meta.TransferSyntaxUID == ExplicitVRLittleEndian
    assert found.SOPInstanceUID == "1.2.3.4"
    assert (found.pixel_array == values).all()
    for accept in (ANY_DICOM, ANY_DICOM.replace("*", syntax)):
        ((media, content),) = parts_of(served.ask(at(ct), accept))
        assert media.endswith(f"transfer-syntax={syntax}")
        assert content == served.stored[-1].path.read_bytes()

    ((media, content),) = parts_of(served.ask(f"{at(ct)}/frames/1", OCTETS))
    assert media == f"application/octet-stream; transfer-syntax={ExplicitVRLittleEndian}"
    assert content == values.tobytes()
    ((media, content),) = parts_of(served.ask(f"{at(ct)}/frames/1", f"{OCTETS}; transfer-syntax=*"))
    if syntax.is_compressed:
        kinds = {JPEGLSLossless: "image/jls", RLELossless: "image/dicom-rle"}
        assert media == f"{kinds[syntax]}; transfer-syntax={syntax}"
        assert len(content) < values.nbytes
        accept = f'multipart/related; type="{kinds[syntax]}"'
        assert parts_of(served.ask(f"{at(ct)}/frames/1", accept))[0] == (media, content)


def as_implicit(dataset) -> bytes:
    buffer = io.BytesIO()
    dataset.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian
    dataset.save_as(buffer, implicit_vr=True, enforce_file_format=True)
    return buffer.getvalue()


def test_metadata_is_the_header_with_addresses_for_what_is_large(served, made):
    ct = made.ct[0]
    found = served.json(f"/studies/{ct.StudyInstanceUID}/series/{ct.SeriesInstanceUID}/metadata")
    assert len(found) == 6
    said = pydicom.Dataset.from_json(found[0], bulk_data_uri_handler=lambda *_: b"")
    assert said.SOPInstanceUID == ct.SOPInstanceUID
    assert said.ImagePositionPatient == ct.ImagePositionPatient
    assert "file_meta" not in found[0]
    assert not [tag for tag in found[0] if tag.startswith("0002")]
    address = found[0]["7FE00010"]["BulkDataURI"]
    assert address == f"{served.url}{at(ct)}/bulkdata/7FE00010"
    path = address.removeprefix(served.url)
    assert served.ask(path, "application/octet-stream").content == ct.PixelData
    assert parts_of(served.ask(path))[0][1] == ct.PixelData
    assert len(served.json(f"/studies/{ct.StudyInstanceUID}/metadata")) == 7
    assert len(served.json(f"{at(ct)}/metadata")) == 1


def test_names_keep_their_letters_in_json(served, made):
    ct = pydicom.dcmread(served.stored[0].path)
    ct.SOPInstanceUID = ct.file_meta.MediaStorageSOPInstanceUID = "1.2.3.4"
    ct.SpecificCharacterSet = ["", "ISO 2022 IR 87"]
    ct.PatientName = "Yamada^Tarou=山田^太郎"
    served.keep(ct)
    (found,) = served.json(f"{at(ct)}/metadata")
    assert found["00080005"]["Value"] == ["ISO_IR 192"]
    assert found["00100010"]["Value"][0]["Ideographic"] == "山田^太郎"


def test_a_value_in_an_item_has_an_address_too(served, made):
    ct = pydicom.dcmread(served.stored[0].path)
    ct.SOPInstanceUID = ct.file_meta.MediaStorageSOPInstanceUID = "1.2.3.4"
    item = pydicom.Dataset()
    item.LUTData = bytes(range(256)) * 40
    item["LUTData"].VR = "OW"
    item.LUTDescriptor = [5120, 0, 16]
    item.ModalityLUTType = "HU"
    ct.ModalityLUTSequence = [item]
    served.keep(ct)
    (found,) = served.json(f"{at(ct)}/metadata")
    address = found["00283000"]["Value"][0]["00283006"]["BulkDataURI"]
    answer = served.ask(address.removeprefix(served.url), "application/octet-stream")
    assert answer.content == bytes(range(256)) * 40
    for wrong in (
        "00283000/1/00283006",
        "00283000/-1/00283006",
        "00283000",
        "x",
        "0/0",
        "/",
        "..%2F",
    ):
        assert served.ask(f"{at(ct)}/bulkdata/{wrong}").status_code == 404, wrong


def test_frames_of_a_soft_mask_come_in_the_order_asked_for(served, made):
    seg = fractional_seg(made)
    served.make(seg)
    parts = parts_of(served.ask(f"{at(seg)}/frames/3,1", OCTETS))
    size = seg.Rows * seg.Columns
    assert [content for _, content in parts] == [seg.PixelData[2 * size : 3 * size],
                                                 seg.PixelData[:size]]  # fmt: skip
    single = served.ask(f"{at(seg)}/frames/2", "application/octet-stream")
    assert single.content == seg.PixelData[size : 2 * size]
    compressed = fractional_seg(made, JPEGLSLossless)
    served.make(compressed)
    assert parts_of(served.ask(f"{at(compressed)}/frames/2", OCTETS))[0][1] == single.content


def test_a_frame_of_bits_begins_at_a_byte(served, made):
    seg, bits = odd_binary_seg(made)
    served.make(seg)
    for number, frame in enumerate(bits, 1):
        content = served.ask(f"{at(seg)}/frames/{number}", "application/octet-stream").content
        found = np.unpackbits(np.frombuffer(content, np.uint8), bitorder="little")[:25]
        assert (found.reshape(5, 5) == frame).all()


@pytest.mark.parametrize(
    ("accept", "status"),
    [
        (None, 200),
        ("*/*", 200),
        (OCTETS, 200),
        ("multipart/related; type=application/octet-stream", 200),
        (f"{OCTETS}; transfer-syntax={ExplicitVRLittleEndian}", 200),
        ("multipart/related", 200),
        ("application/*", 200),
        (f"image/jls;q=0.9, {OCTETS};q=0.1", 200),
        ("image/jls", 406),
        (f"{OCTETS}; transfer-syntax={RLELossless}", 406),
        ("text/html", 406),
        ("application/dicom+json", 406),
        (f"{OCTETS}; q=0", 406),
        ("nonsense", 400),
        (f"{OCTETS}; q=2", 400),
        (f"{OCTETS}; q=x", 400),
        (",".join(["a/b"] * 200), 400),
    ],
)
def test_what_is_accepted_is_heeded(served, made, accept, status):
    answer = served.ask(f"{at(made.ct[0])}/frames/1", accept)
    assert answer.status_code == status, answer.text
    if status == 406:
        assert "application/octet-stream" in answer.text


def test_json_is_the_only_form_of_metadata(served, made):
    path = f"{at(made.ct[0])}/metadata"
    for accept in ("application/json", "*/*", "application/dicom+json; q=0.5, text/html; q=0.1"):
        assert served.ask(path, accept).status_code == 200
    assert served.ask(path, 'multipart/related; type="application/dicom+xml"').status_code == 406
    assert served.ask(f"{path}?accept=application/json", "text/html").status_code == 200


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("{study}/series/1.2.3", 404),
        ("/studies/1.2.3", 404),
        ("/studies/1.2.3/metadata", 404),
        ("{ct}/frames/2", 404),
        ("{report}/frames/1", 404),
        ("{ct}/frames/0", 400),
        ("{ct}/frames/1,", 400),
        ("{ct}/frames/-1", 400),
        ("{ct}/frames/1e9", 400),
        ("{ct}/frames/" + "9" * 40, 400),
        ("{ct}/frames/" + "1," * 10_000 + "1", 400),
        ("/studies/..", 404),
        ("/studies/%2e%2e/metadata", 400),
        ("/studies/..%2f..%2fetc%2fpasswd/metadata", 404),
        ("/studies/1.2.%00/metadata", 400),
        ("/studies/1.2.%0d%0aX-Evil:1/metadata", 400),
        ("/studies/" + "1." * 40 + "1/metadata", 400),
        ("/studies/01.2/metadata", 400),
        ("{other}", 404),
        ("{ct}/rendered?window=a,b", 400),
        ("{ct}/rendered?window=40,0", 400),
        ("{ct}/rendered?window=40,400,odd", 400),
        ("{ct}/rendered?viewport=0,10", 400),
        ("{ct}/rendered?viewport=100000,100000", 400),
        ("{ct}/rendered?viewport=10,10,9999,0,10,10", 400),
        ("{ct}/rendered?quality=0", 400),
        ("{report}/rendered", 406),
        ("{report}/thumbnail", 404),
    ],
)
def test_what_is_not_there_or_is_no_name_is_refused_with_a_reason(served, made, path, status):
    ct = made.ct[0]
    path = path.format(
        study=f"/studies/{ct.StudyInstanceUID}",
        ct=at(ct),
        report=at(made.report),
        # An instance by the name of another series is not there.
        other=at(ct).replace(ct.SeriesInstanceUID, made.report.SeriesInstanceUID),
    )
    answer = served.ask(path, "*/*")
    assert answer.status_code == status, answer.text
    assert "X-Evil" not in answer.headers
    assert len(answer.text) < 400


def test_nobody_reads_without_a_role(served, made):
    assert served.ask("/studies", badge="").status_code == 403
    assert served.ask(f"{at(made.ct[0])}/frames/1", badge="eve watcher").status_code == 403
    assert served.looks == []


def test_an_answer_is_kept_by_no_cache(served, made):
    for path in ("/studies", f"{at(made.ct[0])}/frames/1", at(made.ct[0]), "/studies/x"):
        assert served.ask(path, "*/*").headers["Cache-Control"] == "no-store"


def test_a_host_that_is_none_is_not_repeated(served):
    answer = served.ask("/studies", headers={"Host": 'evil" , <b>'})
    assert answer.status_code == 400
    assert "evil" not in answer.text


def test_a_look_is_told_once_for_each_study_and_kind(served, made):
    for number in range(3):
        served.ask(f"{at(made.ct[number])}/frames/1")
        served.ask(f"{at(made.ct[number])}/metadata")
    served.json("/studies?PatientName=S*")
    served.ask(at(made.ct[0]), badge="bert viewer")
    study = made.ct[0].StudyInstanceUID
    assert [(look.user, look.action, look.study_instance_uid) for look in served.looks] == [
        ("anna", "read", study),
        ("anna", "query", None),
        ("bert", "read", study),
    ]
    assert served.looks[1].query == "study PatientName=S*"


def test_a_look_is_told_again_after_some_minutes():
    class Asked:
        class user:
            display_name = "anna"

        class client:
            host = "10.0.0.1"

    told, now = [], [0.0]
    looks = Looks(told.append, 300, lambda: now[0])
    for moment in (0, 299, 301, 302):
        now[0] = moment
        looks.tell(Asked, "read", "1.2")
    assert len(told) == 2


def test_a_file_that_takes_anothers_place_is_what_is_read(served, made):
    ct = pydicom.dcmread(served.stored[0].path)
    before = served.json(f"{at(ct)}/metadata")[0]["00080070"]["Value"]
    ct.Manufacturer = "another"
    time.sleep(0.01)
    ct.save_as(served.stored[0].path)
    after = served.json(f"{at(ct)}/metadata")[0]["00080070"]["Value"]
    assert (before, after) == ([made.ct[0].Manufacturer], ["another"])


def test_a_damaged_file_costs_its_own_answer_alone(served, made):
    served.stored[0].path.write_bytes(b"nothing" * 100)
    ct = made.ct[0]
    assert served.ask(f"{at(ct)}/metadata").status_code in (404, 406)
    assert served.ask(f"{at(ct)}/frames/1").status_code in (404, 406)
    assert served.ask(f"{at(made.ct[1])}/frames/1").status_code == 200


def test_an_error_that_nobody_foresaw_tells_no_patient(served, made, monkeypatch, caplog):
    def fails(_self):
        raise RuntimeError("PATIENT^NAME")

    monkeypatch.setattr("dicomnode.web.dicomweb.stored_object.StoredObject.header", fails)
    answer = served.ask(f"{at(made.ct[0])}/metadata")
    assert answer.status_code == 500
    assert "PATIENT" not in answer.text + caplog.text
    assert "dicomweb.failed" in caplog.text
