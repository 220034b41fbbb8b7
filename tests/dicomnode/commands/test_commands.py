"""Each command answers, and says what is wrong in a line that one can act on."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pydicom
import pytest
from PIL import Image
from sqlalchemy import select
from typer.testing import CliRunner

from dicomnode.commands import app
from dicomnode.jobs import lesion_queue
from dicomnode.retrieve import waiting_list
from dicomnode.retrieve.source import Failed
from dicomnode.retrieve.wanted import Want
from dicomnode.settings import RetrySettings
from dicomnode.store.database import Database
from dicomnode.store.states import DeliveryState, LesionState
from dicomnode.store.tables import Delivery, Result
from dicomnode.version import VERSION
from pipelines.soft_mask import SoftMask
from tests.dicomnode.jobs.rows import add_lesion, published
from tests.dicomnode.studies import save, study


def run(*arguments: object, width: int = 200):
    # Tables are as wide as the terminal: a narrow one would break the words that are looked for.
    return CliRunner().invoke(app, [str(a) for a in arguments], env={"COLUMNS": str(width)})


def configuration(tmp_path: Path, pacs_port: int = 1, more: str = "") -> Path:
    path = tmp_path / "node.toml"
    path.write_text(
        f"""{more}
[store]
path = "{tmp_path / "store"}"

[[destinations]]
name = "pacs"
ae_title = "STANDINPACS"
host = "127.0.0.1"
port = {pacs_port}
connect_timeout_s = 2
"""
    )
    return path


@pytest.fixture
def store(tmp_path):
    """The store of a node that has run: one lesion published, one refused."""
    (tmp_path / "store").mkdir()
    database = Database(f"sqlite:///{tmp_path / 'store' / 'node.sqlite'}")
    database.upgrade()
    done = add_lesion(database, 1, LesionState.SEGMENTED, volume_ml=1.25, seconds=0.5)
    with database.write() as session:
        lesion_queue.record_published(session, done, published(done))
    refused = add_lesion(database, 2, LesionState.REFUSED)
    with database.write() as session:
        lesion_queue.record_refused(session, refused, "no rule matches: 'CT [/b]' is [none] of it")
    database.close()
    return configuration(tmp_path)


def test_version():
    result = run("--version")
    assert result.exit_code == 0
    assert result.output.strip() == f"dicomnode {VERSION}"


def test_a_wrong_configuration_stops_the_start_with_its_line_and_the_reason(tmp_path):
    path = configuration(tmp_path, pacs_port=123456)
    line = 1 + path.read_text().splitlines().index("port = 123456")
    result = run("serve", "--config", path)
    assert result.exit_code == 78  # at which the units do not start it again
    assert result.stderr.startswith(f"{path}:{line}: destinations.0.port: ")
    assert "65535" in result.stderr
    assert "Traceback" not in result.output + result.stderr


@pytest.mark.parametrize("command", [["serve"], ["jobs"], ["echo"], ["explain", "1.2.3"]])
def test_a_configuration_that_is_not_there_is_named(tmp_path, command):
    result = run(*command, "--config", tmp_path / "nothing.toml")
    assert result.exit_code == (78 if command == ["serve"] else 2)
    assert "nothing.toml: cannot be read" in result.stderr


@pytest.mark.parametrize("command", [["jobs"], ["explain", "1.2.3"]])
def test_a_node_that_has_never_run_has_nothing_to_tell(tmp_path, command):
    result = run(*command, "--config", configuration(tmp_path))
    assert result.exit_code == 2
    assert "has the node run?" in result.stderr


def test_jobs_lists_lesions_with_what_became_of_them(store):
    result = run("jobs", "--config", store)
    assert result.exit_code == 0, result.output
    assert "published" in result.output
    assert "1.25" in result.output
    assert "pacs: queued" in result.output
    assert "'CT [/b]' is [none] of it" in result.output


def test_jobs_lists_dead_letters_with_the_last_answer(store, tmp_path):
    assert "dead letter" not in run("jobs", "--config", store).output
    database = Database(f"sqlite:///{tmp_path / 'store' / 'node.sqlite'}")
    with database.write() as session:
        delivery = session.scalars(select(Delivery)).first()
        delivery.state, delivery.peer_words = DeliveryState.REFUSED, "0x0124 not [bold] authorised"
        result = Result(
            kind="report", sop_class_uid="1.2", sop_instance_uid="1.2.77", path="x", size=1
        )
        session.add(result)
        session.flush()
        session.add(
            Delivery(
                result_id=result.id,
                destination="pacs",
                state=DeliveryState.EXHAUSTED,
                peer_words="could not be reached",
            )
        )
    database.close()
    listed = run("jobs", "--config", store, width=250).output
    assert "0x0124 not [bold] authorised" in listed
    assert "report of a series" in listed
    assert "could not be reached" in listed


def test_what_is_fetched_is_listed_and_explained_with_the_words_of_the_source(store, tmp_path):
    database = Database(f"sqlite:///{tmp_path / 'store' / 'node.sqlite'}")
    waiting = add_lesion(database, 3, LesionState.WAITING)
    with database.write() as session:
        want = Want("1.2.3.3", series_instance_uid="1.2.3.3.7")
        retrieval = waiting_list.ask_for(session, want, [waiting]).id
    failures = {"ARCHIVE": Failed("0xA801 move [destination] unknown", 0xA801, final=True)}
    with database.write() as session:
        waiting_list.record_failed(session, retrieval, failures, 0, ["ARCHIVE"], RetrySettings())
    database.close()
    listed = run("jobs", "--config", store, width=250)
    assert listed.exit_code == 0, listed.output
    assert "series 1.2.3.3.7" in listed.output
    assert "ARCHIVE: 0xA801 move [destination] unknown" in listed.output
    explained = run("explain", "1.2.3.3.7", "--config", store, width=250)
    assert "to be fetched: series 1.2.3.3.7: refused after 1 attempt(s)" in explained.output
    assert "ARCHIVE: 0xA801" in explained.output


def test_jobs_can_be_narrowed(store):
    result = run("jobs", "--config", store, "--state", "refused")
    assert "refused" in result.output
    assert "published" not in result.output
    one = run("jobs", "--config", store, "--limit", 1).output
    assert "refused" in one
    assert "published" not in one


@pytest.mark.parametrize(
    ("uid", "words"),
    [
        ("1.2.4.2", "Comprehensive 3D SR Storage, received"),  # report
        ("1.2.3.2.0", "'CT [/b]' is [none] of it"),  # marked slice
        ("1.2.9.1", "fractional-seg that this node made"),  # result
        ("1.2.1", "2 lesion(s) are marked on it"),  # study
    ],
)
def test_explain_tells_of_what_is_known(store, uid, words):
    result = run("explain", uid, "--config", store)
    assert result.exit_code == 0
    assert uid in result.output
    assert words in result.output


def test_explain_says_that_a_uid_is_unknown(store):
    result = run("explain", "9.9.9", "--config", store)
    assert result.exit_code == 2
    assert "9.9.9: never received here" in result.stderr


def test_explain_tells_of_a_uid_as_json(store):
    answer = json.loads(run("explain", "1.2.9.1", "--config", store, "--json").stdout)
    assert answer["uid"] == "1.2.9.1"
    assert "fractional-seg that this node made" in answer["lines"][0]


@pytest.fixture(scope="module")
def marked(tmp_path_factory):
    """A study of one lesion: the folder with its CT, and its report under a misleading name."""
    folder = tmp_path_factory.mktemp("marked")
    whole = study("marked")
    save(whole.ct, folder / "ct")
    whole.report.save_as(folder / "report.csv", enforce_file_format=True)
    return folder


def test_explain_tells_of_a_file_what_was_found_and_needs_no_configuration(marked):
    result = run("explain", marked / "report.csv", "--ct", marked / "ct")
    assert result.exit_code == 0, result.output
    assert "Research only, not for diagnosis" in result.output
    assert "mark, taken" in result.output
    assert "long axis: 12.0 mm, 15.0 pixels; stated 12.0 mm" in result.output
    answer = json.loads(run("explain", marked / "report.csv", "--json").stdout)
    assert answer["items"][0]["axes"][0]["length_mm"] is None
    assert answer["notice"] == "Research only, not for diagnosis"


def test_explain_draws_a_mark_on_its_slice(marked, tmp_path):
    png = tmp_path / "marks.png"
    result = run("explain", marked / "report.csv", "--ct", marked / "ct", "--png", png)
    assert result.exit_code == 0, result.output
    with Image.open(png) as picture:
        colours = np.asarray(picture.convert("RGB")).reshape(-1, 3).astype(int)
    line = (np.abs(colours - (0x40, 0xE0, 0xFF)) < 40).all(axis=1)
    assert 100 < line.sum() < len(colours) / 20


@pytest.mark.parametrize(
    ("content", "arguments", "words"),
    [
        (b"", [], "neither a DICOM object nor"),
        (b"\0" * 128 + b"DICM" + b"\xff" * 64, [], "begins as DICOM"),
        (b"<x", [], "not well-formed"),
        (None, ["--png", "out.png"], "--png needs --ct"),
        (None, ["--ct", "nowhere"], "nowhere: no such folder"),
        (None, ["--ct", "empty"], "empty: no CT image in this folder"),
        (None, ["--ct", "other", "--png", "out.png"], "no item of the file lies on"),
        (None, ["--ct", "ct", "--png", "empty"], "empty: cannot be written"),
    ],
)
def test_explain_says_what_is_wrong_with_a_file(
    marked, tmp_path, monkeypatch, content, arguments, words
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    (tmp_path / "ct").symlink_to(marked / "ct")
    save(study("another").ct[:2], tmp_path / "other")
    path = marked / "report.csv"
    if content is not None:
        path = tmp_path / "bad"
        path.write_bytes(content)
    result = run("explain", path, *arguments)
    assert result.exit_code == 2
    assert words in result.stderr
    assert "Traceback" not in result.output + result.stderr
    assert not (tmp_path / "out.png").exists()


@pytest.mark.parametrize(
    ("argument", "words"), [("no such file", "no such file, and no UID"), (".", "a folder")]
)
def test_explain_says_what_is_neither_file_nor_uid(argument, words):
    result = run("explain", argument)
    assert result.exit_code == 2
    assert words in result.stderr


@pytest.fixture(scope="module")
def processed(tmp_path_factory):
    """A folder with a study of two lesions, junk, and a mark without its CT, processed once."""
    root = tmp_path_factory.mktemp("process")
    folder, out = root / "in", root / "out"
    whole = study("command", centres=[(10, 20, 20), (13, 42, 40)])
    save(whole.ct, folder / "deep" / "ct")
    save([whole.report], folder)
    lonely = study("without CT")
    save([lonely.report], folder)
    (folder / "notes.txt").write_text("no DICOM")
    (folder / "empty.dcm").write_bytes(b"")
    results = "fractional-seg,band-seg,report"
    result = run("process", folder, "-o", out, "--processes", 1, "--results", results, width=400)
    return result, out, whole, lonely


def summary(out: Path) -> list[dict[str, str]]:
    with open(out / "summary.csv", newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_process_writes_a_seg_and_a_float_matte_for_each_mark(processed):
    result, out, whole, _ = processed
    assert result.exit_code == 0, result.output
    rows = [row for row in summary(out) if row["state"] == "published"]
    assert len(rows) == len(whole.axes) == 2
    truth = np.pi / 6 * 12**3 / 1000
    for row in rows:
        seg = pydicom.dcmread(out / row["seg"])
        assert seg.SegmentationType == "FRACTIONAL"
        assert seg.StudyInstanceUID == whole.report.StudyInstanceUID
        assert row["mark_object"] == whole.report.SOPInstanceUID
        assert row["ct_series"] == whole.ct[0].SeriesInstanceUID
        assert float(row["soft_volume_ml"]) == pytest.approx(truth, rel=0.15)
        assert Path(row["seg"]).name in result.output
    masks = [SoftMask.load(path) for path in (out / "soft_masks").glob("*.npz")]
    assert sorted(f"{mask.volume_ml:.4f}" for mask in masks) == sorted(
        row["soft_volume_ml"] for row in rows
    )


def test_process_lists_every_object_that_it_wrote(processed):
    _, out, whole, _ = processed
    with open(out / "objects.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert {out / row["path"] for row in rows} == set(out.rglob("*.dcm"))
    assert {row["ct_series"] for row in rows} == {whole.ct[0].SeriesInstanceUID}
    kinds = sorted((row["kind"], bool(row["lesion"])) for row in rows)
    assert kinds == [("band-seg", True)] * 2 + [("fractional-seg", True)] * 2 + [("report", False)]


def test_process_draws_a_contact_sheet(processed):
    _, out, _, _ = processed
    with Image.open(out / "contact_sheet.png") as picture:
        assert min(picture.size) > 100
        assert len(picture.convert("RGB").getcolors(2**24)) > 50


def test_process_says_of_each_file_and_mark_why_it_was_not_used(processed):
    result, out, _, lonely = processed
    for name in ("notes.txt", "empty.dcm"):
        (line,) = [text for text in result.output.splitlines() if name in text]
        assert "skipped, because" in line
    (row,) = [row for row in summary(out) if row["state"] != "published"]
    assert row["mark_object"] == lonely.report.SOPInstanceUID
    assert "has not come" in row["reason"]
    assert row["seg"] == ""


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--method", "magic"], "no method 'magic'; known are"),
        (["-p", "band_outer=1"], "band_outer"),
        (["-p", "band_outer_mm=wide"], "band_outer_mm"),
        (["-p", "band_outer_mm"], "expected NAME=VALUE"),
        (["--results", "band-sgg"], "'fractional-seg', 'binary-seg'"),
        (["--results", ""], "'fractional-seg', 'binary-seg'"),
    ],
)
def test_process_refuses_what_it_does_not_know(tmp_path, arguments, words):
    out = tmp_path / "out"
    result = run("process", tmp_path, "-o", out, *arguments)
    assert result.exit_code == 2
    assert words in result.stderr
    assert "Traceback" not in result.stderr
    assert not out.exists()


def test_process_of_a_folder_without_a_mark_fails_and_says_so(tmp_path):
    (tmp_path / "in").mkdir()
    result = run("process", tmp_path / "in", "-o", tmp_path / "out", "--processes", 1)
    assert result.exit_code == 1
    assert "no mark was found" in result.output


def test_process_names_an_output_folder_that_cannot_be_made(tmp_path):
    (tmp_path / "file").write_text("")
    result = run("process", tmp_path, "-o", tmp_path / "file" / "out")
    assert result.exit_code == 2
    assert "cannot be made: Not a directory" in result.stderr


def test_looking_at_a_store_without_a_database_makes_none(tmp_path):
    configuration = tmp_path / "node.toml"
    (tmp_path / "store").mkdir()
    configuration.write_text(f'[store]\npath = "{tmp_path / "store"}"\n')
    result = CliRunner().invoke(app, ["jobs", "--config", str(configuration)])
    assert result.exit_code == 2
    assert "has the node run?" in result.output
    assert list((tmp_path / "store").iterdir()) == []


@pytest.mark.parametrize(
    ("command", "section"), [("purge", "[retention]"), ("ohif", "[web]"), ("probe", "[probe]")]
)
def test_help_names_sections_of_the_configuration(command, section):
    assert section in run(command, "--help").output
