"""What a study's file may say, and how it says what is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from dicomnode.reader_study.definition import (
    StudyDefinition,
    StudyDefinitionError,
    load_definition,
)
from dicomnode.reader_study.demonstration import demonstration
from tests.dicomnode.reader_study.small import CANDIDATES

EXAMPLE = Path(__file__).parents[3] / "config" / "reader-study.toml"
WHOLE = {
    "name": "eggs", "title": "Eggs", "display": "alpha", "seed": 1, "candidates": CANDIDATES,
    "phantoms": {"count": 2},
}  # fmt: skip


def test_the_example_is_a_study():
    found = load_definition(EXAMPLE)
    assert found.display == "alpha"
    assert [candidate.made_by for candidate in found.candidates] == ["reader"] * 4 + ["method"]


def test_the_demonstration_is_that_of_the_paper():
    found = demonstration(9, 4)
    assert len(found.candidates) == 5
    assert found.repeats == 3


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"name": "Eggs & co"}, "expected up to 48"),
        ({"name": "../eggs"}, "expected up to 48"),
        ({"title": "two\nlines"}, "one line"),
        ({"display": "3d"}, "'outline' or 'alpha'"),
        ({"candidates": CANDIDATES[:1]}, "at least 2"),
        ({"candidates": CANDIDATES * 3}, "at most 8"),
        ({"candidates": [CANDIDATES[0]] * 2}, "two candidates of one name"),
        ({"candidates": [CANDIDATES[0] | {"reader": None}, CANDIDATES[1]]}, "goes with from"),
        (
            {"candidates": [CANDIDATES[0], {"name": "m", "origin": "computer", "from": "method",
                                            "method": "guess"}]},
            "known are",
        ),
        ({"phantoms": None}, "expected [[cases]]"),
        ({"cases": [{"lesion": 1, "ct": "a.nii"}]}, "either `lesion` or `ct`"),
        ({"cases": [{"lesion": 1, "name": "x"}]}, "its own masks and name"),
        ({"readers": ["anna", "anna"]}, "named twice"),
        ({"readers": ["an\nna"]}, "line break"),
        ({"seed": -1}, "greater than or equal to 0"),
        ({"colour": "red"}, "Extra inputs"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused_in_words(change, words):
    with pytest.raises(ValidationError) as refused:
        StudyDefinition.model_validate(WHOLE | change)
    assert words in str(refused.value)


def test_a_file_that_is_none_names_itself(tmp_path):
    file = tmp_path / "study.toml"
    file.write_text("name = ")
    with pytest.raises(StudyDefinitionError, match=r"study\.toml"):
        load_definition(file)
