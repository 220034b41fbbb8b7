"""Whatever is torn, repeated or replaced in a file of marks: its reader answers, and never raises.

What it answers with can be used: finite coordinates, valid UIDs, and refusals without a word of
the file's free text.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from xml.etree import ElementTree

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dicomnode.marks.aim import read_aim
from dicomnode.marks.deeplesion import read_deeplesion
from dicomnode.marks.lidc_xml import read_lidc_xml
from dicomnode.marks.mark_reading import MarkReading
from dicomnode.marks.same_lesion import group_by_overlap
from dicomnode.store.uid import is_valid_uid
from tests.dicomnode.marks import test_aim as aim
from tests.dicomnode.marks import test_deeplesion as deeplesion
from tests.dicomnode.marks import test_lidc_xml as lidc

SECRET = "DOE^JANE"
Reader = Callable[[bytes], MarkReading]

_EXCLUDES = "TwoDimensionGeometricShapeEntityExcludesTwoDimensionGeometricShapeEntityStatement"
_AIM_4 = aim.aim4(
    aim.annotation4(
        aim.shape4(aim.LONG, uid="1.6.1"),
        aim.shape4(aim.SHORT, uid="1.6.2"),
        aim.shape4(aim.RING, "TwoDimensionPolyline", uid="1.6.3"),
        aim.shape4(aim.RING, "TwoDimensionPolyline", uid="1.6.4"),
        calculations=aim.calculation4(30, "1.5.1"),
        statements=aim.statement(_EXCLUDES, "1.6.3", "1.6.4")
        + aim.statement("CalculationEntityReferencesMarkupEntityStatement", "1.5.1", "1.6.1"),
        body="<segmentationEntityCollection><SegmentationEntity><sopInstanceUid root='1.2.7'/>"
        "<segmentNumber value='1'/></SegmentationEntity></segmentationEntityCollection>",
    ),
    aim.annotation4(
        aim.shape4([[1, 2, 3], [4, 5, 6]], "ThreeDimensionMultiPoint", reference="1.8")
    ),
).replace(b"PRIVATE^NAME", SECRET.encode())
_AIM_3 = aim.aim3(
    aim.shape3(aim.LONG),
    aim.shape3(aim.SHORT, identifier=2),
    aim.shape3(aim.LONG, "Ellipse", sop="1.2.840.7"),
    calculations=aim.calculation3(30, shape=1),
    body=f"<person><Person name='{SECRET}'/></person>",
)
_LIDC = lidc.message(
    lidc.nodule(
        lidc.roi(lidc.ring(10, 20, 6)), lidc.roi(lidc.ring(12, 22, 1), "FALSE"), name=SECRET
    ),
    lidc.nodule(lidc.roi(lidc.ring(11, 20, 4))) + lidc.nodule(lidc.roi([(5, 5)])),
)
_ROWS = deeplesion.table({}, {}, {})

XML: list[tuple[Reader, bytes]] = [(read_aim, _AIM_4), (read_aim, _AIM_3), (read_lidc_xml, _LIDC)]
FILES = [*XML, (read_deeplesion, _ROWS)]

HOSTILE = st.sampled_from(
    [
        "0",
        "-1",
        "1e308",
        "1e-308",
        "nan",
        "inf",
        "99999999999",
        "1_0",
        "٣",
        "1.2.840.1",
        "\\",
        "TRUE",
        "MultiPoint",
        "Circle",
        "ThreeDimensionPolyline",
    ]
) | st.sampled_from(["", " ", "x" * 300, SECRET])
ABSURD = [
    b"",
    b"\0",
    b"<",
    b">",
    b'"',
    b"&#0;",
    b"&x;",
    b"<!DOCTYPE x>",
    b"\xff",
    b",",
    b"\n",
    b"9",
]


def check(reader: Reader, content: bytes) -> None:
    reading = reader(content)
    assert reading.marks or reading.outlines or reading.references or reading.refusals
    for mark in reading.marks:
        assert np.isfinite(mark.long_axis).all()
        assert is_valid_uid(mark.source_sop_instance_uid)
        for uid in (mark.referenced_sop_instance_uid, mark.frame_of_reference_uid):
            assert uid is None or is_valid_uid(uid)
        assert mark.tracking_uid is None or is_valid_uid(mark.tracking_uid)
        assert len(mark.key) == 64
    for outline in reading.outlines:
        assert is_valid_uid(outline.source_sop_instance_uid)
        for contour in outline.contours:
            assert np.isfinite(contour.points).all()
    for reference in reading.references:
        assert is_valid_uid(reference.seg_sop_instance_uid)
    for refusal in reading.refusals:
        assert SECRET not in refusal.item + refusal.reason
        assert len(refusal.reason) < 200
    if reader is read_lidc_xml:
        lesions = group_by_overlap(reading.outlines)
        assert sum(map(len, lesions)) == len(reading.outlines)


many = settings(
    max_examples=250, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck)
)


def test_the_files_themselves_hold_marks():
    for reader, content in FILES:
        reading = reader(content)
        assert reading.marks or reading.outlines
        check(reader, content)


@many
@given(st.sampled_from(FILES), st.data())
def test_torn_bytes_are_answered(file, data):
    reader, content = file
    damaged = bytearray(content)
    for _ in range(data.draw(st.integers(1, 4))):
        start = data.draw(st.integers(0, len(damaged)))
        stop = start + data.draw(st.integers(0, 40))
        other = data.draw(st.integers(0, len(content)))
        new = data.draw(
            st.sampled_from([*ABSURD, content[other : other + 60]]) | st.binary(max_size=4)
        )
        damaged[start:stop] = new
    check(reader, bytes(damaged))


@many
@given(st.sampled_from(XML), st.data())
def test_any_other_tree_is_answered(file, data):
    reader, content = file
    root = ElementTree.fromstring(content)
    for _ in range(data.draw(st.integers(1, 5))):
        elements = list(root.iter())
        parent = data.draw(st.sampled_from(elements))
        other = data.draw(st.sampled_from(elements))
        what = data.draw(st.sampled_from(["remove", "repeat", "graft", "value", "text", "tag"]))
        if what == "remove" and len(parent):
            parent.remove(data.draw(st.sampled_from(list(parent))))
        elif what == "repeat" and len(parent):
            child = data.draw(st.sampled_from(list(parent)))
            parent.extend(copy.deepcopy(child) for _ in range(data.draw(st.integers(1, 3))))
        elif what == "graft" and len(elements) < 2_000:
            parent.append(copy.deepcopy(other))
        elif what == "value" and parent.attrib:
            parent.set(data.draw(st.sampled_from(sorted(parent.attrib))), data.draw(HOSTILE))
        elif what == "text":
            parent.text = data.draw(HOSTILE)
        elif what == "tag":
            parent.tag = other.tag
    check(reader, ElementTree.tostring(root))


@many
@given(st.data())
def test_any_other_table_is_answered(data):
    rows = [
        {data.draw(st.sampled_from(sorted(deeplesion.CELLS))): data.draw(HOSTILE)}
        for _ in range(data.draw(st.integers(0, 3)))
    ]
    check(read_deeplesion, deeplesion.table(*rows, {}))
