"""Images are fetched over TLS as without it, and what is to end ends."""

from __future__ import annotations

import contextlib

import pytest

from dicomnode.store.states import RetrievalState
from dicomnode.tls.contexts import server_context
from tests.dicomnode.retrieve.conftest import House
from tests.dicomnode.retrieve.stand_in_source import DicomSourceStandIn
from tests.dicomnode.studies import study


@pytest.fixture
def fetching(tmp_path, certificates):
    """Give a function that opens a source with mutual TLS, and a house that asks it by C-GET."""
    with contextlib.ExitStack() as ending:

        def open_both(images, settings=None, **source) -> tuple[House, DicomSourceStandIn]:
            peer = DicomSourceStandIn(images)
            peer.tls = server_context(certificates.settings())
            own = dict(zip(("certificate_file", "key_file"), certificates.peer, strict=True))
            ending.enter_context(peer)
            table = {"name": "ARCHIVE", "kind": "c-get", **peer.settings, **source}
            shared = {"ca_file": certificates.hospital, **own}
            house = House(tmp_path, [table | {"tls": {}}], tls=shared, **(settings or {}))
            ending.callback(house.stop)
            return house.start(), peer

        yield open_both


def test_a_series_comes_over_tls(fetching):
    made = study("fetched by TLS")
    house, source = fetching(made.ct)
    house.put([made.report])
    house.until_ready()
    house.until_done()
    assert source.asked == ["SERIES"]
    assert len(house.instances()) == len(made.ct) + 1


def test_a_retrieval_over_tls_ends_at_its_bytes(fetching):
    made = study("bytes by TLS")
    for image in made.ct:
        block = image.private_block(0x0009, "PADDING", create=True)
        block.add_new(0x01, "OB", bytes(300_000))
    house, _ = fetching(made.ct, {"retrieve": {"grace_s": 0.0, "max_mb": 1}})
    house.put([made.report])
    house.until(
        lambda: [r.state for r in house.retrievals()] == [RetrievalState.REFUSED], "refusal"
    )
    assert "more than 1 MB" in house.retrievals()[0].peer_words


def test_a_silent_source_behind_tls_does_not_hold_up_the_end(fetching):
    made = study("silent by TLS")
    house, source = fetching(made.ct, response_timeout_s=500)
    source.silent.set()
    house.put([made.report])
    house.until(
        lambda: [r.state for r in house.retrievals()] == [RetrievalState.RUNNING], "an attempt"
    )
    house.until_stopped()
    assert house.retrievals()[0].state is RetrievalState.RUNNING
