"""Verdicts and mended trimaps, over a real socket."""

from __future__ import annotations

import hashlib
import json
import urllib.error
import urllib.request
from base64 import b64encode
from pathlib import Path

import numpy as np
import pytest

from benchmarks.peers.lesion_store import LesionStore, lesion_store
from benchmarks.peers.page_server import PageServer
from dicomnode.jobs.publish import configuration_digest
from dicomnode.retention.purge import By, purge_study
from dicomnode.store.states import Decision, JobAction, LesionState, StudyState
from dicomnode.store.tables import JobTrace, Lesion, Verdict
from dicomnode.web.lesion import answers
from pipelines.soft_mask import BACKGROUND, FOREGROUND, UNKNOWN, SoftMask
from tests.dicomnode.web.lesion.test_bundle import unpacked

JSON, BYTES = "application/json", "application/octet-stream"
ACCEPTED = {"decision": "accepted"}


@pytest.fixture(scope="module")
def store(tmp_path_factory) -> LesionStore:
    """Of a CT whose slices run to the feet and whose rows run to the front."""
    made = lesion_store(tmp_path_factory.mktemp("store"), directions="FAL")
    yield made
    made.database.close()


@pytest.fixture(scope="module")
def server(store):
    with PageServer(store.database) as server:
        yield server


def post(server: PageServer, path: str, body: bytes | dict, kind: str) -> tuple[int, bytes]:
    content = json.dumps(body).encode() if isinstance(body, dict) else body
    asked = urllib.request.Request(
        server.address(f"/lesions/1/{path}"), content, {"Content-Type": kind}
    )
    try:
        with urllib.request.urlopen(asked, timeout=120) as got:
            return got.status, got.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


def on_page(store: LesionStore, trimap: np.ndarray) -> bytes:
    """As the browser has it: towards the head, the back, the left."""
    assert trimap.shape == store.mask.trimap.array.shape
    return trimap[::-1, ::-1].tobytes()


def cut_in_half(store: LesionStore) -> np.ndarray:
    """The lesion only in the upper slices."""
    trimap = store.mask.trimap.array.copy()
    trimap[len(trimap) // 2 :] = BACKGROUND
    return trimap


def verdicts(store: LesionStore) -> list[Verdict]:
    with store.database.read() as session:
        return session.query(Verdict).order_by(Verdict.id).all()


def test_a_mended_trimap_is_matted_again_where_it_was_painted(server, store):
    trimap = cut_in_half(store)
    status, body = post(server, "mended", on_page(store, trimap), BYTES)
    assert status == 200
    made = unpacked(body)
    alpha = made["alpha"].array[::-1, ::-1] / 255
    assert (alpha[trimap == BACKGROUND] == 0).all()
    assert (alpha[trimap == FOREGROUND] == 1).all()
    assert 0.1 < alpha[trimap == UNKNOWN].mean() < 0.9
    assert "its trimap was mended by hand" in made["warnings"]
    assert verdicts(store) == []


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda t: t.tobytes()[:-1], "bytes, expected"),
        (lambda t: np.full_like(t, 7).tobytes(), "expected"),
        (lambda t: np.full_like(t, UNKNOWN).tobytes(), "expected both"),
    ],
)
def test_a_trimap_that_cannot_be_matted_is_refused(server, store, change, words):
    status, body = post(server, "mended", change(store.mask.trimap.array), BYTES)
    assert status == 422
    assert words in json.loads(body)["error"]


def test_verdicts_are_kept_told_and_shown_the_newest_first(tmp_path):
    store = lesion_store(tmp_path)
    digest = hashlib.sha256((tmp_path / "soft_masks" / "egg.npz").read_bytes()).hexdigest()
    with PageServer(store.database) as server:
        status, _ = post(server, "verdicts", {**ACCEPTED, "words": " sharp "}, JSON)
        assert status == 201
        assert server.looks[-1].action == "judge"
        assert server.looks[-1].study_instance_uid == store.study_instance_uid
        rejected = {"decision": "rejected", "reason": "too-large"}
        status, body = post(server, "verdicts", rejected, JSON)
        shown = json.loads(body)
        assert [(row["decision"], row["code"]) for row in shown] == [
            ("rejected", "too-large"), ("accepted", None)]  # fmt: skip
        with urllib.request.urlopen(server.address("/lesions/1/verdicts")) as got:
            assert json.load(got) == shown
    first, second = verdicts(store)
    assert (first.decision, first.words, first.who) == (Decision.ACCEPTED, "sharp", "reader")
    assert (first.soft_mask, first.method, first.mended) == (digest, "closed-form", None)
    assert (second.decision, second.reason) == (Decision.REJECTED, "too-large")
    store.database.close()


def test_what_was_accepted_as_mended_is_kept_as_a_soft_mask_and_goes_with_the_study(tmp_path):
    store = lesion_store(tmp_path)
    trimap = cut_in_half(store)
    said = {**ACCEPTED, "trimap": b64encode(trimap.tobytes()).decode()}
    with PageServer(store.database) as server:
        status, body = post(server, "verdicts", said, JSON)
        assert (status, json.loads(body)[0]["mended"]) == (201, True)
    (verdict,) = verdicts(store)
    kept = tmp_path / "kept.npz"
    kept.write_bytes(verdict.mended)
    mask = SoftMask.load(kept)
    np.testing.assert_array_equal(mask.trimap.array, trimap)
    np.testing.assert_allclose(mask.trimap.affine, store.mask.trimap.affine)
    assert mask.offset == store.mask.offset
    assert mask.volume_ml < store.mask.volume_ml
    with store.database.read() as session:
        lesion = session.get_one(Lesion, 1)
        trace = session.query(JobTrace).one()
    # Its objects are made anew, of what was mended.
    assert lesion.state is LesionState.SEGMENTED
    now = Path(lesion.soft_mask_path)
    assert now.read_bytes() == verdict.mended
    assert verdict.mended_digest == hashlib.sha256(verdict.mended).hexdigest()
    assert configuration_digest(SoftMask.load(now)) != configuration_digest(store.mask)
    assert (trace.action, trace.before, trace.after) == (
        JobAction.JUDGE, "published", "segmented")  # fmt: skip
    with store.database.write() as session:
        session.get_one(Lesion, 1).state = LesionState.PUBLISHED
    purge_study(
        store.database, store.study_instance_uid, By("test", "test"), {}, frozenset(StudyState)
    )
    (verdict,) = verdicts(store)
    assert (verdict.decision, verdict.mended) == (Decision.ACCEPTED, None)
    assert not now.exists()
    store.database.close()


def test_a_verdict_on_a_soft_mask_that_the_lesion_has_no_longer_is_refused(tmp_path):
    store = lesion_store(tmp_path)
    with PageServer(store.database) as server:
        with urllib.request.urlopen(server.address("/lesions/1/volume"), timeout=120) as got:
            looked_at = unpacked(got.read())["softMask"]
        status, body = post(server, "verdicts", {**ACCEPTED, "soft_mask": "0" * 64}, JSON)
        assert status == 422
        assert "load it again" in json.loads(body)["error"]
        assert verdicts(store) == []
        assert post(server, "verdicts", {**ACCEPTED, "soft_mask": looked_at}, JSON)[0] == 201
    store.database.close()


@pytest.mark.parametrize(
    "said",
    [
        {"decision": "rejected"},
        {"decision": "rejected", "reason": "ugly"},
        {"decision": "rejected", "reason": "other", "words": " "},
        {"decision": "accepted", "reason": "too-small"},
        {"decision": "rejected", "reason": "too-small", "trimap": "AAAA"},
        {"decision": "accepted", "words": "x" * 2001},
        {"decision": "accepted", "trimap": "?"},
        {"decision": "accepted", "who": "somebody else"},
        {"decision": "maybe"},
    ],
)
def test_verdicts_that_say_nothing_are_refused_and_not_kept(server, store, said):
    before = len(verdicts(store))
    status, body = post(server, "verdicts", said, JSON)
    assert status == 422
    assert json.loads(body)["error"]
    assert len(verdicts(store)) == before


def test_forms_of_other_sites_and_bodies_without_end_are_refused(server, store, monkeypatch):
    monkeypatch.setattr(answers, "MOST_OF_A_TRIMAP", 100)
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data"):
        assert post(server, "verdicts", ACCEPTED, kind)[0] == 415
        assert post(server, "mended", b"0", kind)[0] == 415
    assert post(server, "mended", bytes(101), BYTES)[0] == 413
    assert verdicts(store) == []


def test_nobody_but_a_viewer_judges(store):
    with PageServer(store.database, roles=()) as server:
        assert post(server, "verdicts", ACCEPTED, JSON)[0] == 403
        assert post(server, "mended", b"", BYTES)[0] == 403
    assert verdicts(store) == []


def test_a_network_s_result_is_mended_by_closed_form_matting(tmp_path):
    store = lesion_store(tmp_path)
    with store.database.read() as session:
        path = Path(session.get_one(Lesion, 1).soft_mask_path)
    mask = store.mask
    with path.open("wb") as file:
        SoftMask(mask.alpha, mask.trimap, "3dmm-mg", {"weights": "x"}, mask.offset).save(file)
    with PageServer(store.database) as server:
        status, body = post(server, "mended", mask.trimap.array.tobytes(), BYTES)
    assert (status, unpacked(body)["method"]) == (200, "closed-form")
    store.database.close()
