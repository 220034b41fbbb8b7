"""A source by DIMSE gives what is wanted, or what it says instead is kept."""

from __future__ import annotations

import time

import pytest

from dicomnode.store.states import LesionState, RetrievalState
from tests.dicomnode.retrieve.stand_in_source import DicomSourceStandIn
from tests.dicomnode.studies import study


def c_get(source: DicomSourceStandIn, **changes: object) -> dict:
    return {"name": "ARCHIVE", "kind": "c-get"} | source.settings | changes


def test_one_retrieval_serves_all_lesions_of_a_series(house):
    made = study("all of them", centres=[(10, 20, 20), (13, 42, 40)])
    with DicomSourceStandIn(made.ct) as source:
        node = house(c_get(source))
        node.put([made.report])
        node.until_ready()
        node.until_done()
        (retrieval,) = node.retrievals()
        assert source.asked == ["SERIES"]
    assert retrieval.state is RetrievalState.DONE
    assert retrieval.instances == len(made.ct)
    assert [lesion.id for lesion in retrieval.lesions] == [1, 2]
    assert {i.calling_ae for i in node.instances() if i.modality == "CT"} == {"ARCHIVE"}


def test_only_what_is_not_here_is_asked_for(house):
    made = study("the rest")
    with DicomSourceStandIn(made.ct) as source:
        node = house(c_get(source))
        node.put([*made.ct[:8], *made.ct[18:], made.report])
        node.until_ready()
        node.until_done()
        assert source.asked == ["IMAGE"]
    assert node.retrievals()[0].instances == 10


def test_what_came_by_c_move_is_counted_before_the_receiver_has_told_of_it(house):
    made = study("told late")
    with DicomSourceStandIn(made.ct) as source:
        node = house(c_get(source, kind="c-move"))
        with node.receiver(tell_retriever=False) as receiver:
            source.move_to = ("127.0.0.1", receiver.port)
            node.put([made.report])
            node.until_ready()
            node.until_done()
    (retrieval,) = node.retrievals()
    assert retrieval.instances == len(made.ct)
    assert f"{len(made.ct)} images came" in retrieval.peer_words


def test_a_series_that_ends_near_a_mark_is_looked_up_before_it_is_complete(house):
    made = study("edge", centres=[(22, 32, 32)])
    with DicomSourceStandIn(made.ct) as source:
        node = house(c_get(source))
        node.put([*made.ct, made.report])
        node.until_ready()
        assert source.asked == []  # it has no more than is here
    (retrieval,) = node.retrievals()
    assert retrieval.state is RetrievalState.DONE


def test_a_series_is_taken_as_it_is_where_its_source_is_away(house):
    made = study("edge without source", centres=[(22, 32, 32)])
    with DicomSourceStandIn([]) as source:
        away = c_get(source)
    node = house(away)
    node.put([*made.ct, made.report])
    node.until_ready()
    assert node.retrievals()[0].attempts >= 3
    assert "could not be reached" in node.retrievals()[0].peer_words


def test_a_source_without_queries_sends_the_series(house):
    made = study("no queries")
    with DicomSourceStandIn(made.ct, find=False) as source:
        node = house(c_get(source))
        node.put([made.report])
        node.until_ready()


def test_sources_are_asked_in_order_until_one_has_it(house):
    made = study("order")
    with DicomSourceStandIn([]) as empty, DicomSourceStandIn(made.ct) as full:
        node = house(c_get(empty), c_get(full, name="SECOND"))
        node.put([made.report])
        node.until_ready()
    assert {i.calling_ae for i in node.instances() if i.modality == "CT"} == {"SECOND"}


def test_a_source_is_asked_for_marks_of_its_senders_only(house):
    made = study("senders")
    with DicomSourceStandIn(made.ct) as source:
        node = house(c_get(source, calling_ae="WORKSTATION*"))
        node.put([made.report])  # from a folder: no calling AE
        node.until(lambda: node.lesions() and node.lesions()[0].reason, "a reason")
        time.sleep(1.0)  # long enough for a retrieve, which must not come
        assert node.retrievals() == []


def test_what_the_source_does_not_have_is_asked_for_again(house):
    made = study("later")
    with DicomSourceStandIn([]) as source:
        node = house(c_get(source))
        node.put([made.report])
        node.until(lambda: node.retrievals() and node.retrievals()[0].attempts, "an attempt")
        assert "does not have the series" in node.retrievals()[0].peer_words
        source.images = made.ct
        node.until_ready()


def test_a_destination_that_the_source_does_not_know_is_not_asked_for_again(house):
    made = study("unknown destination")
    with DicomSourceStandIn(made.ct) as source:
        node = house(c_get(source, kind="c-move"))
        node.put([made.report])
        node.until(
            lambda: [r.state for r in node.retrievals()] == [RetrievalState.REFUSED], "refusal"
        )
        time.sleep(1.0)  # long enough for a repeat, which must not come
        (retrieval,) = node.retrievals()
    assert retrieval.attempts == 1
    assert retrieval.status == 0xA801
    assert "move destination unknown" in retrieval.peer_words
    assert retrieval.refused_by == ["ARCHIVE"]


def test_a_refused_retrieval_starts_anew_when_the_mark_comes_again(house):
    made = study("again")
    with DicomSourceStandIn(made.ct) as source:
        node = house(c_get(source), retrieve={"grace_s": 0.0, "max_instances": 10})
        node.put([made.report])
        node.until(
            lambda: [r.state for r in node.retrievals()] == [RetrievalState.REFUSED], "refusal"
        )
        assert "more than 10" in node.retrievals()[0].peer_words
        source.images = made.ct[8:17]
        node.put([made.report])
        node.until_done()


def test_an_image_that_is_not_valid_is_not_kept(house):
    made = study("truncated")
    made.ct[3].PixelData = made.ct[3].PixelData[:100]
    with DicomSourceStandIn(made.ct) as source:
        node = house(c_get(source))
        node.put([made.report])
        node.until(lambda: node.retrievals() and node.retrievals()[0].attempts, "an attempt")
        node.retriever.stop()  # a further attempt would have a file of its own
        (retrieval,) = node.retrievals()
    assert "pixel data of 100 bytes, expected 8192" in retrieval.peer_words
    kept = {i.sop_instance_uid for i in node.instances()}
    assert made.ct[3].SOPInstanceUID not in kept
    assert len(kept) == len(made.ct)  # with the report
    assert list(node.store.incoming.iterdir()) == []


def test_a_retrieval_ends_at_its_bytes(house):
    made = study("bytes")
    for image in made.ct:
        block = image.private_block(0x0009, "PADDING", create=True)
        block.add_new(0x01, "OB", bytes(300_000))
    with DicomSourceStandIn(made.ct) as source:
        node = house(c_get(source), retrieve={"grace_s": 0.0, "max_mb": 1})
        node.put([made.report])
        node.until(
            lambda: [r.state for r in node.retrievals()] == [RetrievalState.REFUSED], "refusal"
        )
        (retrieval,) = node.retrievals()
    assert "more than 1 MB" in retrieval.peer_words
    assert sum(i.size for i in node.instances() if i.modality == "CT") <= 2**20


def test_a_silent_source_holds_up_neither_the_collector_nor_the_end(house):
    made, other = study("silent"), study("other")
    with DicomSourceStandIn(made.ct) as source:
        source.silent.set()
        node = house(c_get(source, response_timeout_s=500))
        node.put([made.report])
        node.until(
            lambda: [r.state for r in node.retrievals()] == [RetrievalState.RUNNING], "an attempt"
        )
        node.put([*other.ct, other.report])
        node.until(lambda: LesionState.READY in {x.state for x in node.lesions()}, "the other")
        node.until_stopped()
        assert node.retrievals()[0].state is RetrievalState.RUNNING


def test_what_ran_at_a_crash_is_asked_for_again(house):
    made = study("crash")
    with DicomSourceStandIn(made.ct) as source:
        source.silent.set()
        first = house(c_get(source, response_timeout_s=500))
        first.put([made.report])
        first.until(
            lambda: [r.state for r in first.retrievals()] == [RetrievalState.RUNNING], "an attempt"
        )
        first.retriever.stop()
        source.silent.clear()
        second = house(c_get(source))
        second.until_ready()


@pytest.mark.parametrize("times", [1, 3])
def test_a_source_that_is_away_is_asked_as_often_as_allowed(house, times):
    made = study("away")
    with DicomSourceStandIn([]) as source:
        away = c_get(source)
    node = house(away, retry={"first_wait_s": 0.1, "factor": 1.0, "attempts": times})
    node.put([made.report])
    node.until(
        lambda: [r.state for r in node.retrievals()] == [RetrievalState.EXHAUSTED], "the end"
    )
    assert node.retrievals()[0].attempts == times
    assert node.lesions()[0].state is LesionState.WAITING
