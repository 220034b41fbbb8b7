"""Whatever a source does not answer, the retriever ends when it is told to."""

from __future__ import annotations

import contextlib
import http.server
import socket
import threading
from collections.abc import Iterator

import pytest
from pydicom.dataset import Dataset

from dicomnode.store.states import RetrievalState
from tests.dicomnode.retrieve.stand_in_source import WebSourceStandIn
from tests.dicomnode.studies import study

PATIENT = {"connect_timeout_s": 500.0, "response_timeout_s": 500.0}


class Hanging:
    """Answers nothing until it is released."""

    def __init__(self) -> None:
        self.asked = threading.Event()
        self.released = threading.Event()

    def query(self, handler: http.server.BaseHTTPRequestHandler) -> None:
        self.asked.set()
        self.released.wait()

    def serve(self, handler: http.server.BaseHTTPRequestHandler, image: Dataset) -> None:
        self.query(handler)

    def begin(self, handler: http.server.BaseHTTPRequestHandler, image: Dataset) -> None:
        """Begin an answer, and go no further."""
        handler.send_response(200)
        handler.send_header("Content-Type", "application/dicom")
        handler.end_headers()
        handler.wfile.write(bytes(100))
        handler.wfile.flush()
        self.query(handler)


@pytest.mark.parametrize("where", ["a query", "the headers of an image", "an image"])
def test_a_web_server_that_accepts_and_never_answers_does_not_hold_up_the_end(house, where):
    made = study(f"hangs at {where}")
    hanging = Hanging()
    with WebSourceStandIn(made.ct) as source:
        if where == "a query":
            source.query = hanging.query
        else:
            source.serve = hanging.begin if where == "an image" else hanging.serve
        node = house({"name": "WEB", "kind": "dicomweb"} | source.settings | PATIENT)
        node.put([made.report])
        node.until(hanging.asked.is_set, "the server is asked")
        node.until_stopped()
        hanging.released.set()
    assert [r.state for r in node.retrievals()] == [RetrievalState.RUNNING]  # taken up at a start
    assert list(node.store.incoming.iterdir()) == []


def test_a_time_that_is_over_ends_what_a_web_server_does_not_answer(house):
    made = study("too long")
    hanging = Hanging()
    with WebSourceStandIn(made.ct) as source:
        source.query = hanging.query
        node = house(
            {"name": "WEB", "kind": "dicomweb"} | source.settings | PATIENT,
            retrieve={"grace_s": 0.0, "longest_s": 0.5},
            retry={"first_wait_s": 1000.0, "longest_wait_s": 1000.0},
        )
        node.put([made.report])
        node.until(lambda: node.retrievals() and node.retrievals()[0].attempts, "an attempt")
        hanging.released.set()
    assert "not done after 0.5 s" in node.retrievals()[0].peer_words


@contextlib.contextmanager
def silent_server() -> Iterator[tuple[int, threading.Event]]:
    """A server that takes a connection and says nothing; its port, and when it was connected to."""
    connected = threading.Event()
    kept = []

    def accept(listener: socket.socket) -> None:
        with contextlib.suppress(OSError):  # the listener was closed
            while True:
                kept.append(listener.accept()[0])
                connected.set()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=accept, args=(listener,), daemon=True).start()
        yield listener.getsockname()[1], connected
        listener.shutdown(socket.SHUT_RDWR)
    for connection in kept:
        connection.close()


def test_a_dicom_server_that_answers_no_association_request_does_not_hold_up_the_end(house):
    made = study("no association")
    with silent_server() as (port, connected):
        peer = {"ae_title": "SILENT", "host": "127.0.0.1", "port": port}
        node = house({"name": "ARCHIVE", "kind": "c-get"} | peer | PATIENT)
        node.put([made.report])
        node.until(connected.is_set, "the server is connected to")
        node.until_stopped()
    assert [r.state for r in node.retrievals()] == [RetrievalState.RUNNING]
