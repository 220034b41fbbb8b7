"""Strangers' XML is read within bounds, or refused."""

from __future__ import annotations

import pytest

from dicomnode.marks import safe_xml
from dicomnode.marks.safe_xml import UnsafeXml, parse, uid, uid_of_bytes
from dicomnode.store.uid import is_valid_uid
from pipelines.plain_number import number

LAUGHS = b"""<?xml version="1.0"?><!DOCTYPE a [<!ENTITY x "ha"><!ENTITY y "&x;&x;&x;&x;&x;&x;&x;">
<!ENTITY z "&y;&y;&y;&y;&y;&y;&y;&y;">]><a>&z;&z;&z;&z;</a>"""
EXTERNAL = b'<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/hostname">]><a>&x;</a>'


def test_names_lose_their_namespaces():
    root = parse(
        b'<n:a xmlns:n="urn:x" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">'
        b'<n:b xsi:type="n:Line" type="Scalar">t</n:b></n:a>'
    )
    assert root.tag == "a"
    assert root[0].tag == "b"
    assert root[0].attrib == {"xsi:type": "Line", "type": "Scalar"}
    assert root[0].text == "t"


@pytest.mark.parametrize(
    "content",
    [LAUGHS, EXTERNAL, b"<!DOCTYPE a><a/>", LAUGHS.decode().encode("utf-16")],
    ids=["expansion", "external", "plain", "utf-16"],
)
def test_document_types_are_refused(content):
    with pytest.raises(UnsafeXml, match="document type"):
        parse(content)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"<a>",
        b"<a></b>",
        b"<a/><a/>",
        b"\xff\xfe\x00",
        b"<a>&x;</a>",
        b'<?xml version="1.0" encoding="no-such"?><a/>',
        b'<?xml version="1.0" encoding="utf-7"?><a/>',
        b'<?xml version="1.0" encoding="shift_jis"?><a>\x82\xa0</a>',
        b"<a>\x00</a>",
        b"<p:a/>",
    ],
)
def test_broken_documents_are_refused(content):
    with pytest.raises(UnsafeXml):
        parse(content)


def test_old_encodings_are_read():
    text = '<?xml version="1.0" encoding="ISO-8859-1"?><a>é</a>'
    assert parse(text.encode("latin-1")).text == "é"


def test_size_depth_and_count_are_bounded(monkeypatch):
    deep = safe_xml.MAX_DEPTH
    assert parse(b"<a>" * deep + b"</a>" * deep).tag == "a"
    with pytest.raises(UnsafeXml, match="deeper"):
        parse(b"<a>" * (deep + 1) + b"</a>" * (deep + 1))
    monkeypatch.setattr(safe_xml, "MAX_ELEMENTS", 100)
    with pytest.raises(UnsafeXml, match="elements"):
        parse(b"<a>" + b"<b/>" * 100 + b"</a>")
    monkeypatch.setattr(safe_xml, "MAX_BYTES", 10)
    with pytest.raises(UnsafeXml, match="bytes"):
        parse(b"<a>aaaaa</a>")


def test_only_plain_finite_numbers_are_numbers():
    assert number(" -12.50\n") == -12.5
    assert number("1e2") == 100
    for text in (None, "", "1_0", "nan", "inf", "1e999", "0x1", "٣", "1,5", "1 2", "--1", "9" * 41):
        assert number(text) is None


def test_uids_are_valid_and_stable():
    assert uid(" 1.2.3 ") == "1.2.3"
    assert uid("1.02") is None
    assert uid(None) is None
    assert is_valid_uid(uid_of_bytes(b"a"))
    assert uid_of_bytes(b"a") == uid_of_bytes(b"a") != uid_of_bytes(b"b")
