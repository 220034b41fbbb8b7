"""Readers' own orders, answers that are kept, and what is refused."""

from __future__ import annotations

import csv
import io
import json
import math

import pytest

from dicomnode.reader_study import answering
from dicomnode.reader_study.answering import Asked, NotTaken
from dicomnode.reader_study.ending import close, delete_study
from dicomnode.reader_study.exports import answers_csv, origins_csv, results_json
from dicomnode.reader_study.readings import study_results
from dicomnode.reader_study.taking_part import (
    Closed,
    NotThere,
    begin,
    find_study,
    presentation_for,
    progress_of,
    seen,
)
from dicomnode.store.tables import (
    ReaderStudy,
    ReaderStudyAnswer,
    ReaderStudyCase,
    ReaderStudyPresentation,
)
from tests.dicomnode.reader_study.small import SmallStudy, small_study

MATTE = 3


@pytest.fixture
def study(tmp_path):
    made = small_study(tmp_path, cases=4, repeats=1, readers=["anna", "ben"])
    yield made
    made.database.close()


def shown(study: SmallStudy, reader: str, number: int) -> ReaderStudyPresentation:
    with study.database.read() as session:
        return presentation_for(session, study.made.study_id, reader, number)


def say(study: SmallStudy, reader: str, number: int, index: int, **more) -> None:
    """Choose a candidate by its index, as somebody would who sees it under a letter."""
    one = shown(study, reader, number)
    seen(study.database, one.id)
    letter = "ABCDEFGH"[one.shown_order.index(index)]
    asked = Asked(letter, **more)
    answering.answer(study.database, study.made.study_id, reader, number, asked)


def test_a_reader_sees_the_same_order_each_time_and_another_one_another(study):
    orders = {}
    for reader in ("anna", "ben", "anna"):
        begin(study.database, study.made.study_id, reader)
        found = [
            (one.case_id, one.repeat, tuple(one.shown_order))
            for one in (shown(study, reader, number) for number in range(1, 6))
        ]
        assert orders.setdefault(reader, found) == found
        assert sum(repeat for _, repeat, _ in found) == 1
    assert orders["anna"] != orders["ben"]


def test_the_last_answer_counts_and_all_are_kept(study):
    begin(study.database, study.made.study_id, "anna")
    say(study, "anna", 1, 0, seconds=4.0)
    say(study, "anna", 1, MATTE, seconds=2.5, words=" better ")
    with study.database.read() as session:
        found = find_study(session, study.made.study_id)
        assert study_results(session, found).preferences[0].rows[MATTE].chosen.count == 1
        assert progress_of(session, found, "anna").answered == 1
        assert progress_of(session, found, "anna").next == 2
        rows = list(csv.DictReader(io.StringIO(answers_csv(session, found))))
    assert [(row["chosen_name"], row["counts"]) for row in rows] == [
        ("mask-1", "0"),
        ("matte", "1"),
    ]
    assert (rows[1]["seconds"], rows[1]["words"]) == ("2.5", "better")
    assert rows[0]["order"].split("|")["ABCD".index(rows[0]["chosen"])] == "mask-1"


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        (Asked("E"), "choose one of A to D"),
        (Asked(""), "choose one of A to D"),
        (Asked("AB"), "choose one of A to D"),
        (Asked("matte"), "choose one of A to D"),
        (Asked("A", seconds=math.nan), "a time that cannot be"),
        (Asked("A", seconds=-1.0), "a time that cannot be"),
        (Asked("A", words="x" * 1001), "more than 1000"),
        (Asked("A", judged=("person",) * 4), "not asked in this study"),
    ],
)
def test_an_answer_that_is_none_is_refused(study, asked, words):
    begin(study.database, study.made.study_id, "anna")
    seen(study.database, shown(study, "anna", 1).id)
    with pytest.raises(NotTaken, match=words):
        answering.answer(study.database, study.made.study_id, "anna", 1, asked)
    with study.database.read() as session:
        assert session.query(ReaderStudyAnswer).count() == 0


def test_nobody_answers_what_they_were_not_shown(study):
    number = study.made.study_id
    with pytest.raises(NotThere):
        begin(study.database, number, "mallory")
    with pytest.raises(NotThere):
        begin(study.database, number + 1, "anna")
    begin(study.database, number, "anna")
    with pytest.raises(NotTaken, match="not looked at"):
        answering.answer(study.database, number, "anna", 1, Asked("A"))
    for reader, case in (("anna", 6), ("anna", 0), ("ben", 1), ("mallory", 1)):
        with pytest.raises(NotThere):
            answering.answer(study.database, number, reader, case, Asked("A"))


def test_a_closed_study_takes_nothing_more(study):
    number = study.made.study_id
    begin(study.database, number, "anna")
    say(study, "anna", 1, MATTE)
    assert close(study.database, number, "olga")
    assert not close(study.database, number, "olga")
    with pytest.raises(Closed):
        say(study, "anna", 2, MATTE)
    with pytest.raises(Closed):
        begin(study.database, number, "ben")


def test_a_case_whose_images_are_gone_is_not_waited_for(study):
    begin(study.database, study.made.study_id, "anna")
    gone = shown(study, "anna", 1).case_id
    with study.database.write() as session:
        session.get_one(ReaderStudyCase, gone).path = ""
    with study.database.read() as session:
        found = find_study(session, study.made.study_id)
        assert progress_of(session, found, "anna").next != 1
    with pytest.raises(NotThere, match="were deleted"):
        say(study, "anna", 1, MATTE)


def test_two_readers_give_figures_and_rows_for_each_answer(study):
    for reader in ("anna", "ben"):
        begin(study.database, study.made.study_id, reader)
        for number in range(1, 6):
            say(study, reader, number, MATTE if reader == "anna" or number < 5 else 0)
    with study.database.read() as session:
        found = find_study(session, study.made.study_id)
        told = results_json(session, found)
        rows = list(csv.DictReader(io.StringIO(answers_csv(session, found))))
    json.dumps(told)
    assert told["results"]["preferences"][0]["answers"] == 8
    assert len(told["results"]["pairs"][0]["matrix"]) == 4
    assert len(rows) == 10
    assert sum(int(row["repeat"]) for row in rows) == 2
    assert told["definition"]["candidates"][MATTE]["from"] == "file"


def test_origins_are_kept_by_candidate_whatever_the_order(tmp_path):
    study = small_study(tmp_path, cases=2, asks_origin=True)
    begin(study.database, study.made.study_id, "anna")
    for number in (1, 2):
        order = shown(study, "anna", number).shown_order
        judged = ["computer" if index == MATTE else "person" for index in order]
        say(study, "anna", number, MATTE, judged=judged)
    with pytest.raises(NotTaken, match="of each candidate"):
        say(study, "anna", 1, MATTE, judged=["person"] * 3)
    with pytest.raises(NotTaken, match="of each candidate"):
        say(study, "anna", 1, MATTE, judged=["robot"] * 4)
    with study.database.read() as session:
        found = find_study(session, study.made.study_id)
        table = study_results(session, found).origins[0]
        rows = list(csv.DictReader(io.StringIO(origins_csv(session, found))))
    assert table.matrix == ((6, 0), (0, 2))
    assert len(rows) == 8
    assert all((row["taken_for"] == "computer") == (row["candidate"] == "matte") for row in rows)
    study.database.close()


@pytest.mark.parametrize("words", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", '=HYPERLINK("x")'])
def test_no_words_become_a_formula(tmp_path, words):
    study = small_study(tmp_path, cases=1, readers=["=cmd|' /C calc'!A0"])
    reader = study.definition.readers[0]
    begin(study.database, study.made.study_id, reader)
    say(study, reader, 1, MATTE, words=words)
    with study.database.read() as session:
        text = answers_csv(session, find_study(session, study.made.study_id))
    (row,) = csv.DictReader(io.StringIO(text))
    assert row["words"].startswith("'") or row["words"][0] not in "=+-@\t"
    assert row["reader"].startswith("'=")
    study.database.close()


def test_a_deleted_study_leaves_no_row_and_no_file(study):
    begin(study.database, study.made.study_id, "anna")
    say(study, "anna", 1, MATTE)
    assert list(study.store.glob("reader_studies/*/*"))
    delete_study(study.database, study.store, "eggs-and-matte")
    assert not list(study.store.glob("reader_studies/*"))
    with study.database.read() as session:
        for kind in (ReaderStudy, ReaderStudyCase, ReaderStudyPresentation, ReaderStudyAnswer):
            assert session.query(kind).count() == 0
    with pytest.raises(NotThere):
        delete_study(study.database, study.store, "eggs-and-matte")
