"""The form of a file is found by its content, whatever its name; other files are told apart."""

from __future__ import annotations

import io

import pytest
from pydicom.dataset import FileMetaDataset
from pydicom.uid import DeflatedExplicitVRLittleEndian, ExplicitVRLittleEndian

from dicomnode.marks.dicom_object import MAX_UNDEFINED_ITEMS
from dicomnode.marks.mark_file import (
    MarkForm,
    UnreadableMarkFile,
    read_mark_bytes,
    read_mark_file,
)
from tests.dicomnode.marks import report_items as items
from tests.dicomnode.marks import test_aim as aim
from tests.dicomnode.marks import test_deeplesion as deeplesion
from tests.dicomnode.marks import test_lidc_xml as lidc


def dicom(syntax=ExplicitVRLittleEndian, *, preamble: bool = True) -> bytes:
    report = items.report(items.group(items.num(items.LENGTH, 20, "mm", items.scoord(items.LONG))))
    file = io.BytesIO()
    if preamble:
        report.file_meta = FileMetaDataset()
        report.file_meta.TransferSyntaxUID = syntax
        report.save_as(file, enforce_file_format=True)
    else:
        report.save_as(file, implicit_vr=False, little_endian=True)
    return file.getvalue()


FILES = {
    "DICOM": (dicom(), MarkForm.DICOM),
    "DICOM without preamble": (dicom(preamble=False), MarkForm.DICOM),
    "AIM 3": (aim.aim3(aim.shape3(aim.LONG)), MarkForm.AIM),
    "AIM 4": (aim.aim4(aim.annotation4(aim.shape4(aim.LONG))), MarkForm.AIM),
    "AIM with a byte order mark": (
        b"\xef\xbb\xbf" + aim.aim3(aim.shape3(aim.LONG)).lstrip(),
        MarkForm.AIM,
    ),
    "LIDC": (lidc.message(lidc.nodule(lidc.roi(lidc.ring(10, 20, 6)))), MarkForm.LIDC),
    "DeepLesion": (deeplesion.table({}), MarkForm.DEEPLESION),
}


@pytest.mark.parametrize("name", FILES)
def test_each_form_is_recognised_by_its_content(name, tmp_path):
    content, form = FILES[name]
    path = tmp_path / "anything.txt"
    path.write_bytes(content)
    file = read_mark_file(path)
    assert file.form is form
    assert file.reading.marks or file.reading.outlines
    if form is MarkForm.DICOM:
        assert file.sop_instance_uid == "1.2.99"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "neither a DICOM object nor"),
        (b"DOE^JANE", "neither a DICOM object nor"),
        (b"<annotation><object/></annotation>", "neither AIM"),
        (b"<annotation><object><bndbox/></object></annotation>", "does not outline it"),
        (b"<LidcReadMessage", "not well-formed"),
        (b"a,b\n1,2\n", "neither a DICOM object nor"),
        (b"\0" * 128 + b"DICM" + b"\xff" * 40, "begins as DICOM"),
        (b"\0" * 128 + b"DICM", "begins as DICOM"),
        (dicom(DeflatedExplicitVRLittleEndian), "deflated"),
        (
            dicom() + b"\xfe\xff\x00\xe0\xff\xff\xff\xff" * (MAX_UNDEFINED_ITEMS + 1),
            "5001 items of undefined length",
        ),
    ],
)
def test_any_other_file_is_an_error_that_says_why(content, words):
    with pytest.raises(UnreadableMarkFile, match=words) as caught:
        read_mark_bytes(content)
    assert "DOE" not in str(caught.value)
