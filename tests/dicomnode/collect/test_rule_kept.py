"""A lesion keeps what its rule said; one that was only tried is decided anew if it comes again."""

from __future__ import annotations

import pytest

from dicomnode.store.states import LesionState
from dicomnode.store.tables import Lesion
from tests.dicomnode.studies import study


@pytest.mark.parametrize("dry_run", [False, True])
def test_only_what_was_tried_is_decided_anew(database, collect_objects, dry_run):
    made = study("tried")
    (first,) = collect_objects(
        *made.ct, made.report, dry_run=dry_run, results=("report",), destinations=("pacs",)
    )
    assert (first.state, first.dry_run) == (LesionState.READY, dry_run)
    assert first.wanted_results == ["report"]
    with database.write() as session:
        session.get_one(Lesion, first.id).state = LesionState.PUBLISHED
    (again,) = collect_objects(made.report, destinations=("archive",))
    if dry_run:
        assert (again.state, again.dry_run) == (LesionState.READY, False)
        assert (again.destinations, again.wanted_results) == (["archive"], None)
    else:
        assert again.state is LesionState.PUBLISHED
        assert (again.destinations, again.wanted_results) == (["pacs"], ["report"])


def test_rules_see_the_marks_object_and_the_ct_apart(collect_objects):
    made = study("apart")
    on_ct = {"attribute": "ct.Modality", "equals": "CT"}
    on_mark = {"attribute": "mark.Modality", "equals": "CT"}
    (lesion,) = collect_objects(*made.ct, made.report, when={"all": [on_ct, on_mark]})
    assert lesion.state is LesionState.REFUSED
    assert lesion.reason.endswith("mark.Modality equals 'CT': found 'SR'")
    (lesion,) = collect_objects(made.report, when={"all": [on_ct, {"not": on_mark}]})
    assert lesion.state is LesionState.READY
