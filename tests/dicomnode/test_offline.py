"""A folder is processed as the node would: the same results, and a reason for what has none."""

from __future__ import annotations

from pathlib import Path

import pydicom
import pytest

from dicomnode.deliver.ladder_choice import AUTOMATIC
from dicomnode.offline import Outcome, Progress, process_folder
from dicomnode.results.ladder import LADDER
from dicomnode.routing import Rule
from dicomnode.store.states import LesionState
from tests.dicomnode.studies import save, study

RULE = Rule(name="all")


def run(folder: Path, out: Path, rule: Rule = RULE, **more) -> Outcome:
    return process_folder(folder, out, rule=rule, processes=1, **more)


def test_a_folder_can_be_processed_again_with_its_results_in_it(tmp_path):
    made = study("offline")
    save([*made.ct, made.report], tmp_path)
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    out = tmp_path / "out"
    seen: list[Progress] = []
    first = run(tmp_path, out, on_progress=seen.append)
    (lesion,) = first.lesions
    assert lesion.state is LesionState.PUBLISHED
    path = Path(lesion.results[0].path)
    assert path.parent == out / made.report.StudyInstanceUID
    pixels = pydicom.dcmread(path).PixelData
    assert set(first.slices) >= {image.SOPInstanceUID for image in made.ct}
    assert [(p.files, p.ended) for p in seen] == sorted((p.files, p.ended) for p in seen)
    assert seen[-1] == Progress(len(made.ct) + 1, 1, 1)

    (again,) = run(tmp_path, out).lesions  # the result of the first run is no mark
    assert Path(again.results[0].path) == path
    assert pydicom.dcmread(path).PixelData == pixels
    assert {path: path.read_bytes() for path in before} == before


def test_a_rule_that_does_not_match_refuses_with_its_condition(tmp_path):
    made = study("offline rule")
    save([*made.ct, made.report], tmp_path / "in")
    rule = Rule(name="heads", match={"body_part": "HEAD"})
    (lesion,) = run(tmp_path / "in", tmp_path / "out", rule).lesions
    assert lesion.state is LesionState.REFUSED
    assert "body_part is one of 'HEAD': found 'CHEST'" in lesion.reason


def test_what_holds_a_lesion_up_is_shown(tmp_path, monkeypatch):
    """A file where a folder has to be: as with a full disk, somebody has to make room."""
    monkeypatch.setattr("dicomnode.jobs.dispatcher._WAIT_FOR_DISK_S", 0.2)
    made = study("offline waits")
    save([*made.ct, made.report], tmp_path / "in")
    obstacle = tmp_path / "out" / "soft_masks"
    obstacle.parent.mkdir()
    obstacle.write_text("in the way")
    shown = []

    def make_room(progress: Progress) -> None:
        if progress.waiting and not shown:
            shown.append(progress.waiting)
            obstacle.unlink()

    (lesion,) = run(tmp_path / "in", tmp_path / "out", on_progress=make_room).lesions
    assert lesion.state is LesionState.PUBLISHED
    assert "cannot write" in shown[0]


def test_every_rung_is_written_of_each_lesion_and_once_of_each_series(tmp_path):
    made = study("offline ladder", centres=[(10, 20, 20), (13, 42, 40)])
    save([*made.ct, made.report], tmp_path / "in")
    out = tmp_path / "out"
    outcome = run(tmp_path / "in", out, results=tuple(LADDER))
    assert len(outcome.lesions) == 2
    for lesion in outcome.lesions:
        assert {result.kind for result in lesion.results} == {
            rung.name for rung in LADDER.values() if rung.of == "lesion"
        }
    (summary,) = outcome.summaries
    assert summary.reason is None
    assert sorted(result.kind for result in summary.results) == sorted(
        rung.name for rung in LADDER.values() if rung.of == "series"
    )
    listed = [r for owner in (*outcome.lesions, summary) for r in owner.results]
    assert {Path(r.path) for r in listed} == set(out.rglob("*.dcm"))
    report = next(r for r in summary.results if r.kind == "report")
    tracked = {mark.TrackingUID for mark in _segments(outcome)}
    assert tracked <= {str(e.value) for e in pydicom.dcmread(report.path).iterall() if e.VR == "UI"}


def _segments(outcome: Outcome) -> list[pydicom.Dataset]:
    return [
        segment
        for lesion in outcome.lesions
        for result in lesion.results
        if result.kind == "band-seg"
        for segment in pydicom.dcmread(result.path).SegmentSequence
    ]


def test_auto_writes_what_a_destination_gets(tmp_path):
    made = study("offline auto")
    save([*made.ct, made.report], tmp_path / "in")
    outcome = run(tmp_path / "in", tmp_path / "out", results="auto")
    kinds = [r.kind for one in (*outcome.lesions, *outcome.summaries) for r in one.results]
    assert sorted(kinds) == sorted(AUTOMATIC)


def test_a_folder_that_is_none_is_an_error(tmp_path):
    with pytest.raises(NotADirectoryError):
        run(tmp_path / "nothing", tmp_path / "out")
