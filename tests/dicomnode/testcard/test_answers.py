"""What a person ticks becomes the destination's profile, and half a sheet becomes none."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dicomnode.results.ladder import LADDER
from dicomnode.settings import (
    Destination,
    DicomDestination,
    FolderDestination,
    StowDestination,
    load_settings,
)
from dicomnode.testcard.answers import (
    Answers,
    RowAnswers,
    UnusableAnswers,
    blank_answers,
    read_answers,
)
from dicomnode.testcard.fragment import fragment
from dicomnode.testcard.profile import NothingArrived, choose, profile
from dicomnode.testcard.rows import rows

ROWS = rows()
ALL_ACCEPTED = dict.fromkeys(ROWS)
BLANK = {"listed": False, "opens": False, "in_place": False}
DESTINATIONS = (
    DicomDestination(
        name="pacs",
        ae_title="PACS",
        host="pacs.example.org",
        port=104,
        commit=True,
        verify="pixels",
        dicomweb={"url": "https://pacs.example.org/dicom-web", "headers": {"Authorization": "abc"}},
        results=["report"],
        omit_empty_frames=False,
        references="all",
        options={
            "band-seg": {
                "bands": [{"name": "h\u00e4lfte", "low": 0.5, "rgb": [0, 255, 0]}],
                "omit_empty_frames": False,
            },
            "secondary-capture": {"window": [-160.0, 240.0]},
        },
    ),
    StowDestination(
        name='a "web" \\ \u00fc',
        kind="stow-rs",
        url="https://pacs.example.org/dicom-web",
        headers={"Authorization": "abc"},
    ),
    FolderDestination(name="drop", kind="folder", path=Path("/srv/results"), subfolders="study"),
)


def loaded(text: str, folder: Path) -> Destination:
    path = folder / "node.toml"
    path.write_text(text, encoding="utf-8")
    (found,) = load_settings(path).destinations
    return found


def ticked(**changes: object) -> Answers:
    """All is well but for ``rung_with_underscores={question: False}`` or ``="refused"``."""
    found = []
    for row in ROWS:
        change = changes.get(row.name[3:].replace("-", "_").replace(" ", "_"), {})
        if isinstance(change, str):
            found.append(RowAnswers(row, change, {}))
        else:
            found.append(RowAnswers(row, None, dict.fromkeys(row.asks, True) | change))
    return Answers("pacs", "Viewer 1", tuple(found))


def sent(answers: Answers) -> list[str]:
    return [choice.rung for choice in choose(answers) if choice.sent]


def test_a_filled_in_file_is_read_back(tmp_path):
    refusals = ALL_ACCEPTED | {ROWS[3]: 'said "no" \\ \u00fc'}
    path = tmp_path / "answers.toml"
    path.write_text(blank_answers(refusals, "p\u00e4cs").replace('"?"', "true"), encoding="utf-8")
    found = read_answers(path)
    assert found.destination == "p\u00e4cs"
    assert [answer.refusal for answer in found.rows] == list(refusals.values())
    assert [answer.shown for answer in found.rows] == [r is None for r in refusals.values()]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda text: text, "found '?', expected true or false"),
        (lambda text: text.replace('"?"', "1"), "found 1, expected true or false"),
        (lambda text: text.replace('listed = "?"\n', ""), "expected listed, opens"),
        (lambda text: text.replace("01 ", "99 "), "1 unknown rows and 1 missing"),
        (lambda text: text.replace("destination = ", "place = "), "no destination"),
        (lambda text: text + "[", "no TOML"),
    ],
)
def test_a_file_that_is_not_filled_in_says_what_is_missing(tmp_path, change, words):
    path = tmp_path / "answers.toml"
    path.write_text(change(blank_answers(ALL_ACCEPTED, "pacs")))
    with pytest.raises(UnusableAnswers, match=words.replace("?", r"\?")):
        read_answers(path)


def test_a_viewer_that_shows_everything_gets_each_thing_once():
    names = sent(ticked())
    assert "fractional-seg" in names
    assert len({"labelmap-seg", "band-seg", "binary-seg"} & set(names)) == 1
    assert not {"iso-contours", "secondary-capture", "rtstruct"} & set(names)


def test_ohif_gets_bands_the_whole_map_and_the_measurement():
    answers = ticked(
        fractional_seg={"opens": False, "in_place": False, "grades": False},
        labelmap_seg="the peer does not accept this SOP class",
        parametric_map={"opens": False, "in_place": False, "grades": False},
        iso_contours={"opens": False, "in_place": False, "grades": False},
    )
    choices = {choice.rung: choice for choice in choose(answers)}
    assert {"band-seg", "parametric-map", "ohif-report"} <= set(sent(answers))
    assert choices["parametric-map"].every_slice
    assert not choices["band-seg"].every_slice
    assert not choices["fractional-seg"].sent
    assert "does not accept" in choices["labelmap-seg"].reason


def test_a_viewer_without_overlays_gets_the_picture_that_is_nearest_to_one():
    nothing = {"opens": False, "in_place": False}
    blind = {
        name: nothing | {"grades": False}
        for name in (
            "labelmap_seg",
            "band_seg",
            "parametric_map",
            "band_seg_every_slice",
            "parametric_map_every_slice",
        )
    } | {"binary_seg": nothing, "fractional_seg": {"in_place": False, "grades": False}}
    names = sent(ticked(**blind))
    assert "iso-contours" in names
    assert not {"rtstruct", "secondary-capture"} & set(names)
    assert "secondary-capture" in sent(
        ticked(**blind, iso_contours=nothing | {"grades": False}, rtstruct=nothing)
    )
    # It stands in nobody's way, and holds the soft mask itself.
    assert "fractional-seg" in names


def test_labels_without_their_grades_become_one_plain_mask():
    names = sent(
        ticked(
            band_seg={"grades": False},
            band_seg_every_slice={"grades": False},
            labelmap_seg={"grades": False},
        )
    )
    assert "binary-seg" in names
    assert not {"band-seg", "labelmap-seg"} & set(names)


@pytest.mark.parametrize("destination", DESTINATIONS, ids=lambda d: d.kind)
def test_the_fragment_is_the_destination_as_it_was_with_its_new_profile(tmp_path, destination):
    answers = ticked(
        parametric_map={"opens": False, "in_place": False, "grades": False},
        band_seg_all_references=BLANK,
    )
    text = fragment(answers, destination)
    assert "abc" not in text, "a secret is not printed"
    found = loaded(text, tmp_path)
    chosen = profile(answers)
    assert found.results == chosen.results
    assert (found.omit_empty_frames, found.references) == (True, "ct")
    assert found.options["parametric-map"] == {"omit_empty_frames": False}
    others = {name: dict(told) for name, told in destination.options.items()}
    for told in others.values():
        told.pop("omit_empty_frames", None)
    assert found.options == others | {"parametric-map": {"omit_empty_frames": False}}
    left = {"results", "omit_empty_frames", "references", "options", "headers", "dicomweb"}
    assert found.model_dump(exclude=left) == destination.model_dump(exclude=left)
    if isinstance(destination, DicomDestination):
        assert found.dicomweb.url == destination.dicomweb.url


def test_a_viewer_that_counts_frames_gets_a_frame_for_every_slice(tmp_path):
    answers = ticked(labelmap_seg="refused", band_seg={"in_place": False, "grades": False})
    found = loaded(fragment(answers, DESTINATIONS[2]), tmp_path)
    assert "band-seg" in found.results
    assert found.omit_empty_frames is False
    assert found.options == {"parametric-map": {"omit_empty_frames": True}}


@pytest.mark.parametrize(("change", "references"), [({}, "all"), (BLANK, "ct"), ("refused", "ct")])
def test_what_breaks_on_references_gets_none_but_to_the_ct(tmp_path, change, references):
    answers = ticked(band_seg_all_references=change)
    assert loaded(fragment(answers, DESTINATIONS[2]), tmp_path).references == references


def test_answers_to_nothing_that_arrived_give_no_profile():
    refused = tuple(RowAnswers(row, "refused", {}) for row in ROWS)
    with pytest.raises(NothingArrived, match="found no object that arrived"):
        fragment(Answers("drop", "", refused), DESTINATIONS[2])


@given(data=st.data())
@settings(deadline=None)
def test_whatever_is_ticked_only_what_arrives_and_opens_is_sent(data, tmp_path_factory):
    found = []
    for row in ROWS:
        refusal = data.draw(st.sampled_from([None, "refused"]))
        ticks = {} if refusal else {q: data.draw(st.booleans()) for q in row.asks}
        found.append(RowAnswers(row, refusal, ticks))
    answers = Answers("pacs", "", tuple(found))
    choices = choose(answers)
    assert [choice.rung for choice in choices] == list(LADDER)
    for choice in choices:
        forms = [a for a in found if a.row.rung.name == choice.rung]
        if choice.sent:
            assert any(a.refusal is None and a.ticks["opens"] for a in forms)
        assert choice.reason
    if not any(choice.sent for choice in choices):
        with pytest.raises(NothingArrived):
            profile(answers)
        return
    text = fragment(answers, data.draw(st.sampled_from(DESTINATIONS)))
    found = loaded(text, tmp_path_factory.mktemp("profile", numbered=True))
    assert found.results == tuple(choice.rung for choice in choices if choice.sent)
