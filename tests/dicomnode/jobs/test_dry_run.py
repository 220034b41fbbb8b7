"""A dry run is kept and changes nothing for anybody else; a profile says which results go."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import select

from dicomnode.explain import explain
from dicomnode.jobs import lesion_queue
from dicomnode.jobs.summary_queue import summary_request
from dicomnode.jobs.variants import Ladders
from dicomnode.settings import FolderDestination, PublishSettings
from dicomnode.store.states import DeliveryState, LesionState
from dicomnode.store.tables import Lesion, Summary
from tests.dicomnode.jobs.rows import add_lesion, lesion, published

FOLDERS = lesion_queue.Folders(Path("/masks"), Path("/results"))
LADDERS = Ladders(
    [
        FolderDestination(name=name, kind="folder", path=f"/srv/{name}", results=results)
        for name, results in (("pacs", ["binary-seg", "report"]), ("archive", ["report"]))
    ],
    PublishSettings(),
)


def variants(database, lesion_id: int) -> dict[str, tuple[str, ...]]:
    with database.read() as session:
        row = session.get_one(Lesion, lesion_id)
        request = lesion_queue.publish_request(session, row, FOLDERS, LADDERS)
    return {variant.rung: variant.destinations for variant in request.variants}


def publish(database, lesion_id: int, destinations: tuple[str, ...]) -> None:
    with database.write() as session:
        lesion_queue.record_published(session, lesion_id, published(lesion_id, destinations))


def test_of_a_dry_run_the_record_is_made_and_nobody_gets_it(database):
    tried = add_lesion(database, 1, LesionState.SEGMENTED, dry_run=True)
    assert variants(database, tried) == {"fractional-seg": ()}


def test_a_profile_takes_the_place_of_what_the_destinations_say(database):
    asked = add_lesion(
        database, 1, LesionState.SEGMENTED, wanted_results=["fractional-seg", "binary-seg"]
    )
    plain = add_lesion(database, 2, LesionState.SEGMENTED)
    both = ("pacs", "archive")
    assert variants(database, asked) == {"fractional-seg": both, "binary-seg": both}
    assert variants(database, plain) == {"binary-seg": ("pacs",)}


@pytest.mark.parametrize("dry_run", [False, True])
def test_only_a_real_run_takes_the_place_of_what_was_published(database, dry_run):
    newer = add_lesion(database, 2, LesionState.SEGMENTED, dry_run=dry_run)
    older = add_lesion(database, 1, LesionState.PUBLISHED, replaced_by=newer)
    publish(database, older, ("pacs",))
    publish(database, newer, () if dry_run else ("pacs",))
    with database.read() as session:
        row = session.get_one(Lesion, older)
        (delivery,) = row.results[0].deliveries
        state = delivery.state
    if dry_run:
        assert (row.state, state) == (LesionState.PUBLISHED, DeliveryState.QUEUED)
    else:
        assert (row.state, state) == (LesionState.SUPERSEDED, DeliveryState.WITHDRAWN)


def test_a_dry_run_is_in_no_report_of_its_series(database):
    tried = add_lesion(database, 1, LesionState.SEGMENTED, dry_run=True)
    publish(database, tried, ())
    with database.read() as session:
        assert session.scalars(select(Summary)).all() == []
    real = add_lesion(database, 2, LesionState.SEGMENTED)
    publish(database, real, ("pacs",))
    with database.read() as session:
        summary = session.scalars(select(Summary)).one()
        request = summary_request(session, summary, LADDERS, Path("/results"))
    assert [one.soft_mask for one in request.lesions] == [Path("/nowhere/2.npz")]


def test_the_newest_profile_says_which_report_a_series_gets(database):
    for number, wanted in enumerate((["report"], ["key-object"]), start=1):
        made = add_lesion(database, number, LesionState.SEGMENTED, wanted_results=wanted)
        publish(database, made, ("pacs",))
    with database.read() as session:
        summary = session.scalars(select(Summary)).one()
        request = summary_request(session, summary, LADDERS, Path("/results"))
    assert {variant.variant.rung for variant in request.variants} == {"key-object"}


def test_explain_says_that_it_was_a_dry_run_and_who_would_have_got_it(database):
    tried = add_lesion(database, 1, LesionState.SEGMENTED, dry_run=True)
    publish(database, tried, ())
    with database.read() as session:
        said = "\n".join(explain(session, lesion(database, tried).key_sop_instance_uid))
    assert "a dry run: it is segmented and kept, and not sent to pacs, archive" in said
