"""Each instance is called what the server said of it, and nothing is given up that may pass."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.uid import ExplicitVRLittleEndian, JPEGLSLossless

from benchmarks.peers.ports import free_port
from dicomnode.deliver.answer import Answer, Verdict
from dicomnode.deliver.parcel import Parcel
from dicomnode.deliver.stow import send
from dicomnode.settings import StowDestination
from tests.dicomnode.deliver.results_on_disk import segs
from tests.dicomnode.deliver.stand_in_server import (
    StandInServer,
    item,
    not_stored,
    store_all,
    stored,
)

SEG = "1.2.840.10008.5.1.4.1.1.66.4"
ACCEPTED, REFUSED, REPEAT, UNKNOWN = (
    Verdict.ACCEPTED,
    Verdict.REFUSED,
    Verdict.REPEAT,
    Verdict.UNKNOWN,
)


@pytest.fixture(scope="module")
def parcels(tmp_path_factory) -> list[Parcel]:
    paths = segs(3, tmp_path_factory.mktemp("segs"))
    return [Parcel(number, SEG, path) for number, path in enumerate(paths)]


def destination(url: str, **changes: object) -> StowDestination:
    values = {"name": "web", "kind": "stow-rs", "url": url, "response_timeout_s": 20}
    return StowDestination(**(values | changes))


def deliver(parcels, server: StandInServer, **changes: object) -> list[Answer]:
    answers = dict(send(parcels, destination(server.url, **changes), "NODE"))
    return [answers[parcel] for parcel in parcels]


def verdicts(answers: list[Answer]) -> list[Verdict]:
    return [answer.verdict for answer in answers]


def test_objects_go_as_they_lie_on_disk_in_one_request(parcels):
    with StandInServer() as server:
        answers = deliver(parcels, server, headers={"Authorization": "Bearer of good news"})
    assert verdicts(answers) == [ACCEPTED] * 3
    (request,) = server.requests
    for parcel, came in zip(parcels, request, strict=True):
        assert came.file_meta.TransferSyntaxUID == JPEGLSLossless
        assert came == pydicom.dcmread(parcel.path)
    assert server.headers[0]["Authorization"] == "Bearer of good news"


def test_a_server_can_be_told_never_to_get_jpeg_ls(parcels):
    with StandInServer() as server:
        assert verdicts(deliver(parcels, server, transfer_syntax="explicit-le")) == [ACCEPTED] * 3
    for parcel, came in zip(parcels, server.requests[0], strict=True):
        assert came.file_meta.TransferSyntaxUID == ExplicitVRLittleEndian
        original = pydicom.dcmread(parcel.path)
        np.testing.assert_array_equal(came.pixel_array, original.pixel_array)


@pytest.mark.parametrize("status", [202, 409, 200])
def test_each_instance_has_its_own_answer(parcels, status):
    def answer(instances):
        first, second, third = instances
        return status, stored(item(first, warning=0xB000)) | not_stored(
            item(second, failure=0xA700), item(third, failure=0xA900)
        )

    with StandInServer(answer) as server:
        answers = deliver(parcels, server)
    assert verdicts(answers) == [ACCEPTED, REPEAT, REFUSED]
    assert [a.status for a in answers] == [0xB000, 0xA700, 0xA900]


@pytest.mark.parametrize(
    ("status", "said", "verdict"),
    [
        (200, None, ACCEPTED),
        (202, None, UNKNOWN),
        (202, {"nonsense": 1}, UNKNOWN),
        (400, None, REFUSED),
        (401, None, REFUSED),
        (403, None, REFUSED),
        (404, None, REFUSED),
        (413, None, REFUSED),
        (408, None, REPEAT),
        (409, None, REPEAT),
        (429, None, REPEAT),
        (500, None, REPEAT),
        (503, None, REPEAT),
        (0, None, UNKNOWN),
    ],
)
def test_an_answer_without_a_word_on_the_instance(parcels, status, said, verdict):
    with StandInServer(lambda _: (status, said)) as server:
        (answer,) = deliver(parcels[:1], server)
    assert answer.verdict is verdict
    if status:
        assert f"HTTP {status}" in answer.words


def test_a_failure_of_the_server_after_a_word_of_an_instance_is_judged_by_the_word(parcels):
    def answer(instances):
        return 409, not_stored(*(item(i, failure=0x0122) for i in instances))

    with StandInServer(answer) as server:
        answers = deliver(parcels, server)
    assert verdicts(answers) == [REFUSED] * 3
    assert all("SOP class not supported" in a.words for a in answers)


@pytest.mark.parametrize("how", ["reason", "media type"])
def test_what_is_refused_for_its_transfer_syntax_goes_once_more_uncompressed(parcels, how):
    def answer(instances):
        if instances[0].file_meta.TransferSyntaxUID == ExplicitVRLittleEndian:
            return store_all(instances)
        if how == "media type":
            return 415, None
        return 409, not_stored(*(item(i, failure=0xC122) for i in instances))

    with StandInServer(answer) as server:
        assert verdicts(deliver(parcels, server)) == [ACCEPTED] * 3
    assert len(server.requests) == 4


@pytest.mark.parametrize("status", [301, 302, 303, 307])
def test_a_redirection_is_no_success(parcels, status):
    with StandInServer(lambda _: (status, None)) as server:
        server.location = "/elsewhere"
        server.pages["/elsewhere"] = (200, b"[]", "application/dicom+json")
        (answer,) = deliver(parcels[:1], server)
    assert answer.verdict in (REPEAT, UNKNOWN)


def test_a_server_that_is_away_has_nothing(parcels):
    away = destination(f"http://127.0.0.1:{free_port()}/dicom-web")
    answers = [answer for _, answer in send(parcels, away, "NODE")]
    assert verdicts(answers) == [REPEAT] * 3
    assert "could not be reached" in answers[0].words


def test_a_damaged_file_stops_no_other_and_what_is_withdrawn_stays(parcels, tmp_path):
    broken = Parcel(7, SEG, tmp_path / "broken.dcm")
    broken.path.write_bytes(Path(parcels[0].path).read_bytes()[:200])
    gone = Parcel(8, SEG, tmp_path / "gone.dcm")
    with StandInServer() as server:
        answers = dict(
            send(
                [broken, *parcels, gone],
                destination(server.url),
                "NODE",
                lambda parcel: parcel.delivery_id != parcels[0].delivery_id,
            )
        )
    assert answers[broken].verdict is REFUSED
    assert answers[gone].verdict is REFUSED
    assert answers[parcels[0]].verdict is REPEAT
    assert [answers[p].verdict for p in parcels[1:]] == [ACCEPTED] * 2
    assert [len(request) for request in server.requests] == [2]


def test_secrets_are_not_shown():
    shown = repr(destination("http://pacs", headers={"Authorization": "secret"}))
    assert "secret" not in shown
