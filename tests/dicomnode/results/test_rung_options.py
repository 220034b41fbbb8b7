"""What an administrator tells a rung gives another object, or is refused with the reason."""

from __future__ import annotations

from dataclasses import fields

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from pydicom.dataset import Dataset

from dicomnode.jobs.variants import Variant
from dicomnode.results import LADDER
from dicomnode.results.rung_options import options_in_uids, read_options
from tests.dicomnode.results.lesions import ball_result
from tests.dicomnode.results.rungs import hu_of, twin_of

RESULT = ball_result(shape=(4, 30, 30), box=(3, 18, 18))
TWINS = [twin_of(LADDER["band-seg"].make(RESULT))]
NOT_TOLD = {"series_numbers", "transfer_syntax_uid", "algorithm_family", "title"}

levels = st.lists(st.integers(10, 60), min_size=1, max_size=4, unique=True).map(
    lambda steps: [step / 100 for step in sorted(steps)]
)
rgb = st.lists(st.integers(0, 255), min_size=3, max_size=3)
words = st.sampled_from(["Lesion", "Mass", "Läsion"])
OPTIONS = {
    "series_description": st.sampled_from(["Soft RESEARCH", "Research", "Bands, research only"]),
    "segment_label": words,
    "omit_empty_frames": st.booleans(),
    "references": st.sampled_from(["ct", "all"]),
    "level": st.integers(10, 60).map(lambda step: step / 100),
    "levels": levels,
    "rgb": rgb,
    "bands": levels.flatmap(
        lambda lows: st.tuples(
            *[
                st.fixed_dictionaries({"name": words, "low": st.just(low), "rgb": rgb})
                for low in lows
            ]
        ).map(list)
    ),
    "window": st.tuples(st.integers(-1000, -100), st.integers(0, 400)).map(list),
    "field_of_view_mm": st.integers(10, 80),
    "size": st.sampled_from([64, 100, 128]),
}
"""As TOML gives them. A field of a rung's settings that is not here fails the tests."""


def names_of(rung: str) -> list[str]:
    return [f.name for f in fields(LADDER[rung].settings) if f.name not in NOT_TOLD]


def told(rung: str) -> st.SearchStrategy[dict]:
    return st.fixed_dictionaries({}, optional={name: OPTIONS[name] for name in names_of(rung)})


def made(rung: str, options: dict) -> list[Dataset]:
    variant = Variant(rung, 7300, tuple(read_options({rung: options})[rung].items()), ())
    hash(variant)  # variants of several destinations are put together by what they are
    step = LADDER[rung]
    more = {"hu": hu_of(RESULT)} if step.needs_ct else {}
    if step.of == "series":
        found = step.make([RESULT], variant.settings(), [TWINS], **more)
    else:
        found = step.make(RESULT, variant.settings(), TWINS, **more)
    return found if isinstance(found, list) else [found]


def uids(objects: list[Dataset]) -> set[str]:
    return {str(one.SOPInstanceUID) for one in objects}


def series(objects: list[Dataset]) -> set[str]:
    return {str(one.SeriesInstanceUID) for one in objects}


@pytest.mark.parametrize("rung", LADDER)
@given(data=st.data())
@settings(max_examples=6, deadline=None)
def test_two_settings_of_a_rung_never_share_an_instance_and_equal_ones_always_do(rung, data):
    first, second = data.draw(told(rung)), data.draw(told(rung))
    kind = LADDER[rung].settings
    differ = kind(**read_options({rung: first})[rung]) != kind(**read_options({rung: second})[rung])
    one, other = made(rung, first), made(rung, second)
    if differ:
        assert not uids(one) & uids(other)
        # A series is called one thing, and OHIF opens one object of it.
        assert not series(one) & series(other)
    else:
        assert uids(one) == uids(other)
        assert series(one) == series(other)


@pytest.mark.parametrize(
    ("rung", "name"), [(rung, name) for rung in LADDER for name in names_of(rung)]
)
@given(data=st.data())
@settings(max_examples=8, deadline=None)
def test_each_option_goes_into_the_uids_by_itself(rung, name, data):
    kind = LADDER[rung].settings
    option = kind(**read_options({rung: {name: data.draw(OPTIONS[name])}})[rung])
    assume(option != kind())
    assert len(options_in_uids(option)) == 1
    assert options_in_uids(kind()) == ()


def test_what_changes_no_object_is_in_no_uid():
    kind = LADDER["fractional-seg"].settings
    assert options_in_uids(kind(transfer_syntax_uid="1.2.840.10008.1.2.1")) == ()
    assert read_options({"binary-seg": {"level": 1}}) == {"binary-seg": {"level": 1.0}}


@pytest.mark.parametrize("references", ["ct", "all"])
@pytest.mark.parametrize("rung", [r for r in LADDER if "references" in names_of(r)])
def test_ct_leaves_no_reference_but_to_the_ct(rung, references):
    slices = {str(header.SOPInstanceUID) for header in RESULT.slices}
    others = {str(source.sop_instance_uid) for source in (*RESULT.mark_sources, *TWINS)}
    named = {
        str(element.value)
        for one in made(rung, {"references": references})
        for element in one.iterall()
        if element.keyword == "ReferencedSOPInstanceUID"
    }
    assert named & slices
    assert others <= named if references == "all" else not others & named
    # What a structure set's study is named by is no instance.
    assert named <= slices | others | {RESULT.study_instance_uid}


def test_a_report_keeps_its_segment_whatever_is_told_of_the_others():
    assert "references" not in names_of("report")
    (document,) = made("report", {})
    named = {str(e.value) for e in document.iterall() if e.keyword == "ReferencedSOPInstanceUID"}
    assert TWINS[0].sop_instance_uid in named


@pytest.mark.parametrize(
    ("rung", "options", "place", "reason"),
    [
        ("band-seg", {"colour": 1}, ("colour",), "Extra inputs"),
        *((r, {n: 1}, (n,), "Extra inputs") for r in LADDER for n in sorted(NOT_TOLD)),
        ("band-seg", {"bands": []}, (), "1 to 20"),
        (
            "band-seg",
            {"bands": [{"name": "a", "low": 0, "rgb": [0, 0, 0]}]},
            ("bands", 0),
            "(0, 1]",
        ),
        ("band-seg", {"bands": [{"name": "a", "low": 1}]}, ("bands", 0, "rgb"), "required"),
        ("binary-seg", {"level": 1.5}, (), "(0, 1]"),
        ("binary-seg", {"level": float("nan")}, ("level",), "finite"),
        ("binary-seg", {"rgb": [0, 0, 256]}, (), "0 to 255"),
        ("iso-contours", {"levels": [0.5, 0.25]}, (), "ascending"),
        ("iso-contours", {"levels": [0.5, 0.5001]}, (), "0.001 apart"),
        ("rtstruct", {"levels": []}, (), "ascending"),
        ("secondary-capture", {"size": 10}, (), "64 to 4096"),
        ("secondary-capture", {"window": [40, -160]}, (), "lower bound first"),
        ("parametric-map", {"references": "none"}, ("references",), "'ct' or 'all'"),
        ("report", {"series_description": "Sizes"}, ("series_description",), "RESEARCH"),
        ("report", {"series_description": "{method} RESEARCH"}, ("series_description",), "braces"),
        ("band-seg", {"series_description": "{0} RESEARCH"}, ("series_description",), "braces"),
        (
            "band-seg",
            {"series_description": "{method} RESEARCH" + 40 * "."},
            ("series_description",),
            "at most 44",
        ),
        ("band-seg", {"segment_label": "a\\b"}, ("segment_label",), "pattern"),
    ],
)
def test_what_a_rung_cannot_take_is_named_with_the_reason(rung, options, place, reason):
    with pytest.raises(ValidationError) as caught:
        read_options({rung: options})
    (problem, *_) = caught.value.errors()
    assert problem["loc"][: 1 + len(place)] == (rung, *place)
    assert reason in problem["msg"]
