"""A source by DICOMweb gives what is wanted; what it gives instead is not stored."""

from __future__ import annotations

import http.server
from pathlib import Path

import pytest
from pydicom.dataset import Dataset

from dicomnode.store.states import RetrievalState
from tests.dicomnode.retrieve.stand_in_source import (
    MULTIPART,
    WebSourceStandIn,
    encoded,
    multipart,
    reply,
)
from tests.dicomnode.studies import study


def dicomweb(source: WebSourceStandIn, **changes: object) -> dict:
    return {"name": "WEB", "kind": "dicomweb"} | source.settings | changes


def test_images_are_stored_byte_by_byte_as_the_source_has_them(house):
    made = study("bytes")
    with WebSourceStandIn(made.ct) as source:
        node = house(dicomweb(source, headers={"Authorization": "Bearer token"}))
        node.put([made.report])
        node.until_ready()
        node.until_done()
    (retrieval,) = node.retrievals()
    assert retrieval.instances == len(made.ct)
    assert {headers["Authorization"] for headers in source.headers} == {"Bearer token"}
    by_uid = {image.SOPInstanceUID: image for image in made.ct}
    for kept in node.instances():
        if kept.modality == "CT":
            assert kept.calling_ae == "WEB"
            data = Path(kept.path).read_bytes()
            sent = encoded(by_uid[kept.sop_instance_uid])
            # After the file meta information, whose length stands at byte 140 (PS3.10 7.1).
            assert data[_end_of_meta(data) :] == sent[_end_of_meta(sent) :]


def _end_of_meta(data: bytes) -> int:
    return 144 + int.from_bytes(data[140:144], "little")


def test_only_what_is_not_here_is_fetched(house):
    made = study("the rest")
    with WebSourceStandIn(made.ct) as source:
        node = house(dicomweb(source))
        node.put([*made.ct[:8], *made.ct[18:], made.report])
        node.until_ready()
        node.until_done()
    assert sorted(source.fetched) == sorted(image.SOPInstanceUID for image in made.ct[8:18])


def test_answers_that_come_in_pages_are_all_read(house):
    made = study("pages")
    with WebSourceStandIn(made.ct) as source:
        source.page = 5
        node = house(dicomweb(source))
        node.put([made.report])
        node.until_ready()
        node.until_done()
    assert len(source.fetched) == len(made.ct)


def test_an_image_that_comes_without_multipart_is_taken(house):
    made = study("single part")
    with WebSourceStandIn(made.ct) as source:
        source.serve = lambda handler, image: reply(handler, encoded(image), "application/dicom")
        node = house(dicomweb(source))
        node.put([made.report])
        node.until_ready()


@pytest.mark.parametrize(
    ("status", "state"),
    [
        (401, RetrievalState.REFUSED),
        (403, RetrievalState.REFUSED),
        (404, RetrievalState.QUEUED),
        (429, RetrievalState.QUEUED),
        (500, RetrievalState.QUEUED),
        (503, RetrievalState.QUEUED),
    ],
)
def test_a_status_is_kept_and_asked_for_again_where_that_can_help(house, status, state):
    made = study(f"status {status}")
    with WebSourceStandIn(made.ct) as source:
        source.status = status
        node = house(dicomweb(source), retry={"first_wait_s": 1000.0, "longest_wait_s": 1000.0})
        node.put([made.report])
        node.until(lambda: node.retrievals() and node.retrievals()[0].attempts, "an attempt")
        (retrieval,) = node.retrievals()
    assert retrieval.state is state
    assert retrieval.status == status
    assert f"WEB: HTTP {status}" in retrieval.peer_words


def cut_off(handler: http.server.BaseHTTPRequestHandler, image: Dataset) -> None:
    body = multipart(encoded(image))
    handler.send_response(200)
    handler.send_header("Content-Type", MULTIPART)
    handler.send_header("Content-Length", str(len(body)))
    handler.end_headers()
    handler.wfile.write(body[:-2000])
    handler.close_connection = True


def ends_within_its_part(handler: http.server.BaseHTTPRequestHandler, image: Dataset) -> None:
    reply(handler, multipart(encoded(image))[:-2000], MULTIPART)


def truncated_image(handler: http.server.BaseHTTPRequestHandler, image: Dataset) -> None:
    reply(handler, multipart(encoded(image)[:-2000]), MULTIPART)


def a_page(handler: http.server.BaseHTTPRequestHandler, image: Dataset) -> None:
    reply(handler, b"<html>" + b"please log in " * 20 + b"</html>", "text/html")


def another_image(handler: http.server.BaseHTTPRequestHandler, image: Dataset) -> None:
    reply(handler, multipart(encoded(study("another").ct[0])), MULTIPART)


def nothing(handler: http.server.BaseHTTPRequestHandler, image: Dataset) -> None:
    reply(handler, b"", MULTIPART)


@pytest.mark.parametrize(
    ("serve", "words"),
    [
        (cut_off, "closed the connection"),
        (ends_within_its_part, "ends within its part"),
        (truncated_image, "was not kept"),
        (a_page, "not a DICOM file"),
        (another_image, "another image"),
        (nothing, "without parts"),
    ],
)
def test_what_is_not_the_image_is_not_stored(house, serve, words):
    made = study(f"bad {words}")
    with WebSourceStandIn(made.ct) as source:
        source.serve = serve
        node = house(dicomweb(source))
        node.put([made.report])
        node.until(lambda: node.retrievals() and node.retrievals()[0].attempts, "an attempt")
        assert words in node.retrievals()[0].peer_words
        node.retriever.stop()
    assert len(node.instances()) == 1
    assert list(node.store.incoming.iterdir()) == []


def test_an_image_without_end_is_cut_at_the_bytes_that_are_allowed(house):
    made = study("endless")

    def endless(handler: http.server.BaseHTTPRequestHandler, image: Dataset) -> None:
        handler.send_response(200)
        handler.send_header("Content-Type", MULTIPART)
        handler.end_headers()
        handler.wfile.write(multipart(encoded(image))[:-8])
        try:
            while True:
                handler.wfile.write(bytes(65536))
        except OSError:
            handler.close_connection = True

    with WebSourceStandIn(made.ct) as source:
        source.serve = endless
        node = house(dicomweb(source), retrieve={"grace_s": 0.0, "max_mb": 1})
        node.put([made.report])
        node.until(
            lambda: [r.state for r in node.retrievals()] == [RetrievalState.REFUSED], "refusal"
        )
    assert "more than 1 MB" in node.retrievals()[0].peer_words
    assert len(node.instances()) == 1
    assert list(node.store.incoming.iterdir()) == []
