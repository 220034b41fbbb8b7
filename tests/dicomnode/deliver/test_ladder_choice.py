"""Which rungs a destination gets: those that it is told, less those that it is known to refuse."""

from __future__ import annotations

from typing import get_args

import pytest

from dicomnode.deliver.ladder_choice import AUTOMATIC, DRAWN, PICTURES, choose
from dicomnode.results.ladder import LADDER
from dicomnode.settings import FolderDestination, RungName


def destination(tmp_path, results) -> FolderDestination:
    return FolderDestination(name="here", kind="folder", path=tmp_path, results=results)


def test_the_configuration_knows_every_rung_and_no_other():
    assert set(get_args(RungName)) == set(LADDER)
    assert set(AUTOMATIC) <= set(LADDER)


@pytest.mark.parametrize("answer", [True, None])
def test_what_is_accepted_or_not_known_is_made_in_the_order_of_the_ladder(tmp_path, answer):
    choices = choose(
        destination(tmp_path, ("report", "fractional-seg")), lambda _: (answer, "as it is known")
    )
    assert [choice.rung.name for choice in choices] == ["fractional-seg", "report"]
    assert all(choice.made and "as it is known" in choice.why for choice in choices)


def test_what_is_known_to_be_refused_is_not_made_and_says_why(tmp_path):
    refused = str(LADDER["report"].sop_class_uid)
    choices = choose(
        destination(tmp_path, "auto"),
        lambda uid: (False, "it did not accept it") if uid == refused else (True, "it did"),
    )
    assert {choice.rung.name for choice in choices} == set(AUTOMATIC)
    assert [c.rung.name for c in choices if not c.made] == ["report"]
    (choice,) = (c for c in choices if not c.made)
    assert choice.why.endswith("it did not accept it")


@pytest.mark.parametrize("results", ["auto", ("fractional-seg", "band-seg")])
@pytest.mark.parametrize("refused", [(), DRAWN[:1], DRAWN[1:], DRAWN])
def test_pictures_go_where_nothing_else_that_is_drawn_is_taken(tmp_path, results, refused):
    uids = {str(LADDER[name].sop_class_uid) for name in refused}
    made = {
        choice.rung.name
        for choice in choose(destination(tmp_path, results), lambda uid: (uid not in uids, "so"))
        if choice.made
    }
    assert (PICTURES in made) is (results == "auto" and refused == DRAWN)


def test_what_is_not_known_brings_no_pictures(tmp_path):
    choices = choose(destination(tmp_path, "auto"), lambda _: (None, "it was not asked"))
    assert [choice.rung.name for choice in choices if choice.made] == list(AUTOMATIC)
