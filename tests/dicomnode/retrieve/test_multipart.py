"""An instance comes out of a multipart message whole, however the message is cut."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dicomnode.retrieve.multipart import NotMultipart, boundary_of, only_part

BOUNDARY = b"frontier"


def message(content: bytes, preamble: bytes = b"") -> bytes:
    head = b"--frontier\r\nContent-Type: application/dicom\r\n\r\n"
    return preamble + head + content + b"\r\n--frontier--\r\n"


def cut(data: bytes, places: list[int]) -> list[bytes]:
    at = [0, *sorted(place % (len(data) + 1) for place in places), len(data)]
    return [data[start:end] for start, end in itertools.pairwise(at)]


@given(
    st.one_of(
        st.binary(max_size=200),
        st.lists(st.sampled_from([b"\r\n", b"--", b"--fron", b"\r\n--frontie", b"x"])).map(
            b"".join
        ),
    ),
    st.sampled_from([b"", b"\r\n", b"This is a preamble.\r\n"]),
    st.lists(st.integers(0, 1000), max_size=12),
)
def test_the_content_is_what_was_sent(content, preamble, places):
    chunks = cut(message(content, preamble), places)
    assert b"".join(only_part(chunks, BOUNDARY)) == content


@given(st.integers(0, len(message(b"x" * 50)) - 17), st.lists(st.integers(0, 100), max_size=4))
def test_a_message_that_ends_too_early_is_none(length, places):
    with pytest.raises(NotMultipart):
        list(only_part(cut(message(b"x" * 50)[:length], places), BOUNDARY))


def test_headers_without_end_are_refused():
    with pytest.raises(NotMultipart, match="no part begins"):
        list(only_part([b"--frontier\r\n", b"x" * 70000], BOUNDARY))


def test_the_message_is_read_to_its_end_for_the_next_request():
    chunks = iter([message(b"content"), b"epilogue", b"more"])
    assert b"".join(only_part(chunks, BOUNDARY)) == b"content"
    assert next(chunks, None) is None


@pytest.mark.parametrize(
    ("header", "boundary"),
    [
        ('multipart/related; type="application/dicom"; boundary=frontier', b"frontier"),
        ('Multipart/Related; boundary="a b"; type=application/dicom', b"a b"),
        ("application/dicom", None),
        ("", None),
    ],
)
def test_the_boundary_is_read_from_the_header(header, boundary):
    assert boundary_of(header) == boundary


@pytest.mark.parametrize("header", ["multipart/related", "multipart/related; boundary=" + "x" * 71])
def test_multipart_without_a_boundary_is_refused(header):
    with pytest.raises(NotMultipart):
        boundary_of(header)
