"""What the addresses of reader studies answer to whom, over a real socket."""

from __future__ import annotations

import csv
import io
import json
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import dicomnode.web
from dicomnode.reader_study.case_file import CaseVoxels
from dicomnode.reader_study.taking_part import find_study, presentation_for
from dicomnode.store.tables import ReaderStudyAnswer, ReaderStudyCase
from tests.dicomnode.reader_study.served import ServedStudies, served_studies
from tests.dicomnode.reader_study.small import SmallStudy, small_study
from tests.dicomnode.web.lesion.test_bundle import unpacked

STATIC = Path(dicomnode.web.__file__).parent / "static"
MOST_BYTES = 16_000
TELLING = (
    b"mask-1", b"mask-2", b"mask-3", b"matte", b"egg-", b"person", b"computer", b"seed", b"digest",
    b"eggs-and-matte", b"repeat", b"provenance",
)  # fmt: skip
"""What no answer to a reader may hold."""
CASE = "/reader-studies/1/cases"


@pytest.fixture
def study(tmp_path):
    made = small_study(tmp_path, cases=3, repeats=1)
    yield made
    made.database.close()


@pytest.fixture
def pages(study, tmp_path):
    with served_studies(study.database, tmp_path) as served:
        yield served


def order_of(study: SmallStudy, reader: str, number: int) -> list[int]:
    with study.database.read() as session:
        return presentation_for(session, 1, reader, number).shown_order


def answer(pages: ServedStudies, number: int, letter: str, who: str = "anna", **more):
    assert pages.ask(f"{CASE}/{number}/volume", who).status == 200
    return pages.ask(f"{CASE}/{number}/answer", who, {"chosen": letter, **more})


def test_a_reader_gets_candidates_in_an_order_of_their_own_and_no_word_of_any(study, pages):
    bodies = {}
    for who in ("anna", "ben"):
        for number in range(1, 5):
            got = pages.ask(f"{CASE}/{number}/volume", who)
            assert got.status == 200
            assert got.headers["Cache-Control"] == "no-store"
            bodies[who, number] = drawn = unpacked(got.body)
            with study.database.read() as session:
                shown = presentation_for(session, 1, who, number)
                voxels = CaseVoxels.load(Path(shown.case.path))
            for letter, index in zip("ABCD", shown.shown_order, strict=True):
                np.testing.assert_array_equal(drawn[letter].array, voxels.alpha[index])
            np.testing.assert_array_equal(drawn["hu"].array, voxels.hu)
    assert [order_of(study, "anna", n) for n in range(1, 5)] != [
        order_of(study, "ben", n) for n in range(1, 5)
    ]


def test_nothing_that_is_sent_tells_a_candidate(study, pages):
    """Words, headers, addresses, and sizes: all alike whatever stands where."""
    heads = set()
    for number in range(1, 5):
        for path in ("", "/plain", "/volume", "/pictures/axial.png?at=5"):
            got = pages.ask(f"{CASE}/{number}{path}")
            assert got.status == 200, got.text
            content = got.body
            if path == "/volume":
                length = int.from_bytes(content[:4], "little")
                content = content[4 : 4 + length]
                about = json.loads(content)
                arrays = about.pop("arrays")
                assert set(about) == {
                    "letters", "display", "spacing", "start", "window", "levels", "marks",
                }  # fmt: skip
                assert list(arrays) == ["hu", "A", "B", "C", "D"]
                alike = {
                    json.dumps({k: v for k, v in arrays[letter].items() if k != "start"})
                    for letter in "ABCD"
                }
                assert len(alike) == 1
                starts = [arrays[letter]["start"] for letter in "ABCD"]
                assert len(set(np.diff(starts))) == 1
            for word in TELLING:
                assert word not in content.lower(), (path, word)
                assert word.decode() not in str(got.headers).lower()
            heads.add((path.partition("?")[0], tuple(sorted(set(got.headers) - {"date"}))))
    # Of each address the same headers, in every case.
    assert len(heads) == 4
    scripts = [p.read_text() for p in (*STATIC.glob("study/*"), *STATIC.glob("lesion/*.js"))]
    assert not any("eggs" in text for text in scripts)


def test_outlines_are_sent_as_zeros_and_ones(tmp_path):
    study = small_study(tmp_path, cases=1, display="outline")
    with served_studies(study.database, tmp_path) as pages:
        drawn = unpacked(pages.ask(f"{CASE}/1/volume").body)
    assert all(set(np.unique(drawn[letter].array)) <= {0, 255} for letter in "ABCD")
    study.database.close()


def test_a_page_shows_what_one_answered_oneself_and_nobody_elses(study, pages):
    assert answer(pages, 1, "C", words="soft edge").status == 303
    page = pages.ask(f"{CASE}/1").text
    assert re.search(r'value="C"[^>]*checked', page)
    assert "soft edge" in page
    other = pages.ask(f"{CASE}/1", "ben").text
    assert "checked" not in other.partition('class="side"')[0]
    assert "soft edge" not in other
    own = json.loads(pages.ask("/api/reader-studies/own").body)
    (row,) = own["rows"]
    assert (row["answered"], row["total"], row["next"], row["closed"]) == (1, 4, 2, False)
    assert "eggs-and-matte" not in pages.ask("/reader-studies").text


def test_an_answer_leads_on_and_the_last_one_home(pages):
    got = answer(pages, 1, "A", plain="1")
    assert (got.status, got.headers["Location"]) == (303, f"{CASE}/2/plain")
    pages.ask(f"{CASE}/4/volume")
    got = pages.ask(f"{CASE}/4/answer", form={"chosen": "B"}, Accept="application/json")
    assert json.loads(got.body) == {"goal": "/reader-studies/1", "answered": 2}


def test_pictures_for_who_runs_no_scripts_show_every_candidate_at_once(study, pages):
    page = pages.ask(f"{CASE}/1/plain").text
    pictures = re.findall(r'src="([^"]+\.png\?at=\d+)"', page)
    with study.database.read() as session:
        case = presentation_for(session, 1, "anna", 1).case
    voxels = CaseVoxels.load(Path(case.path))
    assert len(pictures) == voxels.alpha.any(axis=(0, 2, 3)).sum() + 2
    sheets = []
    for path in (pictures[len(pictures) // 2], *pictures[-2:]):
        got = pages.ask(path)
        assert (got.status, got.headers["Content-Type"]) == (200, "image/png")
        sheets.append(np.asarray(Image.open(io.BytesIO(got.body)).convert("RGB")).astype(int))
    axial = sheets[0]
    height, width = (axial.shape[0] - 4) // 2, (axial.shape[1] - 8) // 3
    tinted = []
    for place in range(5):
        row, column = divmod(place, 3)
        panel = axial[row * (height + 4) :, column * (width + 4) :][40:height, :width]
        tinted.append(int((panel[..., 1] - panel[..., 0] > 10).sum()))
    order = order_of(study, "anna", 1)
    assert tinted[4] == 0  # the CT alone
    # The widest mask is the one of the lowest threshold, wherever it stands.
    masks = [tinted[order.index(index)] for index in range(3)]
    assert masks == sorted(masks, reverse=True)
    assert masks[2] > 100


@pytest.mark.parametrize(
    ("form", "status"),
    [
        ({"chosen": "E"}, 422),
        ({"chosen": "matte"}, 422),
        ({}, 422),
        ({"chosen": "A", "seconds": "soon"}, 422),
        ({"chosen": "A", "seconds": "inf"}, 422),
        ({"chosen": "A", "words": "x" * 1001}, 422),
        ({"chosen": "A", "origin-A": "person"}, 422),
        ({"chosen": "A", "words": "x" * 70_000}, 413),
    ],
)
def test_what_is_no_answer_is_refused_and_not_kept(study, pages, form, status):
    pages.ask(f"{CASE}/1/volume")
    assert pages.ask(f"{CASE}/1/answer", form=form).status == status
    with study.database.read() as session:
        assert session.query(ReaderStudyAnswer).count() == 0


def test_an_answer_of_another_type_or_of_nobody_is_refused(pages):
    pages.ask(f"{CASE}/1/volume")
    form = {"chosen": "A"}
    for kind in ("application/json", "text/plain", "multipart/form-data"):
        got = pages.ask(f"{CASE}/1/answer", form=form, Content_Type=kind)
        assert got.status == 415
    assert pages.ask(f"{CASE}/1/answer", None, form).status == 401
    assert pages.ask(f"{CASE}/2/answer", form=form).status == 422  # never shown


def test_a_post_that_no_page_of_the_service_made_is_refused(pages):
    """As a browser sends it that is signed in: without the page's token, or from elsewhere."""
    signed = pages.ask(
        "/sign-in", None, {"token": pages.tokens["anna"]}, Sec_Fetch_Site="same-origin"
    )
    cookie = signed.headers["Set-Cookie"].partition(";")[0]
    assert pages.ask(f"{CASE}/1/volume", None, Cookie=cookie).status == 200
    page = pages.ask(f"{CASE}/1", None, Cookie=cookie).text
    token = re.search(r'name="csrf_token" value="([0-9a-f]+)"', page)[1]
    form = {"chosen": "A", "csrf_token": token}
    send = {"Cookie": cookie, "Sec_Fetch_Site": "same-origin"}
    for changed in (
        {"form": {"chosen": "A"}, **send},
        {"form": form | {"csrf_token": "0" * 64}, **send},
        {"form": form, **send, "Sec_Fetch_Site": "cross-site"},
    ):
        assert pages.ask(f"{CASE}/1/answer", None, **changed).status == 403
    assert pages.ask(f"{CASE}/1/answer", None, form, **send).status == 303


@pytest.mark.parametrize(
    "path",
    [
        "/reader-studies/2", "/reader-studies/99999999999999999999", "/reader-studies/2/cases/1",
        f"{CASE}/0", f"{CASE}/5", f"{CASE}/5/volume",
        f"{CASE}/99999999999999999999", f"{CASE}/-1", f"{CASE}/1/pictures/oblique.png?at=1",
        f"{CASE}/1/pictures/axial.png?at=9999", f"{CASE}/1/pictures/axial.png?at=x",
        f"{CASE}/1/pictures/axial.png", f"{CASE}/1/../../../etc/passwd", "/reader-studies/x",
    ],
)  # fmt: skip
def test_what_is_not_there_is_said(pages, path):
    assert pages.ask(path).status == 404
    assert pages.ask(path, Accept="text/html").status == 404


def test_somebody_who_is_not_invited_finds_nothing(tmp_path):
    study = small_study(tmp_path, cases=1, readers=["anna"])
    with served_studies(study.database, tmp_path) as pages:
        assert pages.ask("/reader-studies/1").status == 200
        for path in ("/reader-studies/1", f"{CASE}/1", f"{CASE}/1/volume"):
            assert pages.ask(path, "ben").status == 404
        assert pages.ask(f"{CASE}/1/answer", "ben", {"chosen": "A"}).status == 404
        # An operator manages it, and does not take part.
        assert "for operators" in pages.ask("/reader-studies/1", "olga").text
        assert pages.ask(f"{CASE}/1/volume", "olga").status == 404
    study.database.close()


def test_results_are_for_operators_and_only_of_a_closed_study(study, pages):
    answer(pages, 1, "A")
    results = (
        "/reader-studies/1/results", "/reader-studies/1/answers.csv",
        "/api/reader-studies/1/results", "/reader-studies/1/origins.csv",
    )  # fmt: skip
    for path in results:
        assert pages.ask(path).status == 403
        assert pages.ask(path, "olga").status == 409
    for path in ("/reader-studies", "/reader-studies/1"):
        told = pages.ask(path, "olga").text
        assert "mask-1" not in told
    standing = json.loads(pages.ask("/api/reader-studies", "olga").body)["rows"][0]
    assert standing["readers"] == [{"reader": "anna", "total": 4, "answered": 1}]
    assert pages.ask("/api/reader-studies").status == 403
    assert pages.ask("/reader-studies/1/close", form={}).status == 403
    assert pages.ask("/reader-studies/1/close", "olga", {}).status == 303
    for path in results:
        assert pages.ask(path).status == 403
        assert pages.ask(path, "olga").status == 200
    rows = list(csv.DictReader(io.StringIO(pages.ask(results[1], "olga").text)))
    index = order_of(study, "anna", 1)[0]
    assert rows[0]["chosen_name"] == ["mask-1", "mask-2", "mask-3", "matte"][index]
    shown = pages.ask(results[0], "olga").text
    assert "Preference of all readers" in shown
    found = json.loads(pages.ask(results[2], "olga").body)["results"]
    assert found["preferences"][0]["rows"][index]["chosen"]["count"] == 1
    # Readers only hear that it is closed.
    for path in (f"{CASE}/1", f"{CASE}/1/volume", f"{CASE}/1/plain"):
        assert pages.ask(path).status == 409
    assert answer_to_closed(pages) == 409
    assert "The study is closed" in pages.ask("/reader-studies/1").text


def answer_to_closed(pages: ServedStudies) -> int:
    return pages.ask(f"{CASE}/2/answer", form={"chosen": "A"}).status


def test_every_look_is_told(study, pages):
    with study.database.write() as session:
        first = find_study(session, 1).cases[0]
        first.study_instance_uid = "1.2.3"
    number = next(n for n in range(1, 5) if _case(study, n) == first.id)
    other = next(n for n in range(1, 5) if _case(study, n) != first.id)
    pages.looks.clear()
    answer(pages, number, "A")
    answer(pages, other, "A")
    answer(pages, number, "B")
    told = [(look.user, look.action, look.study_instance_uid) for look in pages.looks]
    assert told.count(("anna", "read", "1.2.3")) == 2
    assert told.count(("anna", "judge", "1.2.3")) == 2
    assert told.count(("anna", "query", None)) == 2


def _case(study: SmallStudy, number: int) -> int:
    from dicomnode.reader_study.taking_part import begin

    begin(study.database, 1, "anna")
    with study.database.read() as session:
        return presentation_for(session, 1, "anna", number).case_id


def test_images_that_are_gone_are_said(study, pages):
    with study.database.read() as session:
        cases = list(session.query(ReaderStudyCase))
    for case in cases:
        Path(case.path).unlink()
    assert pages.ask(f"{CASE}/1/volume").status == 503
    with study.database.write() as session:
        for case in session.query(ReaderStudyCase):
            case.path = ""
    assert pages.ask(f"{CASE}/1/volume").status == 404
    assert "were deleted" in pages.ask(f"{CASE}/1/volume").text
    assert "Nothing is left to answer" in pages.ask("/reader-studies/1").text


def test_origins_are_asked_and_kept(tmp_path):
    study = small_study(tmp_path, cases=1, asks_origin=True)
    with served_studies(study.database, tmp_path) as pages:
        pages.ask(f"{CASE}/1/volume")
        assert pages.ask(f"{CASE}/1/answer", form={"chosen": "A"}).status == 422
        said = {f"origin-{letter}": "person" for letter in "ABCD"}
        assert pages.ask(f"{CASE}/1/answer", form={"chosen": "A", **said}).status == 303
        assert pages.ask(f"{CASE}/1").text.count("checked") >= 5
        pages.ask("/reader-studies/1/close", "olga", {})
        rows = list(csv.DictReader(io.StringIO(
            pages.ask("/reader-studies/1/origins.csv", "olga").text
        )))  # fmt: skip
        assert len(rows) == 4
        assert "Who was taken for the maker" in pages.ask("/reader-studies/1/results", "olga").text
    study.database.close()


def test_the_scripts_of_the_page_are_small_name_no_machine_and_are_loaded_ahead():
    scripts = sorted((STATIC / "study").glob("*.js"))
    assert sum(path.stat().st_size for path in scripts) <= MOST_BYTES
    page = (STATIC.parent / "templates" / "reading_case.html.j2").read_text()
    needed = {path.stem for path in scripts} - {"page"}
    for path in (*scripts, *STATIC.glob("study/*.css")):
        assert not re.findall(r"(?:https?:)?//[\w.-]+\.\w+[^\s\"']*", path.read_text())
    for stem in needed:
        assert f"/static/study/{stem}.js" in page
    loaded, new = set(), {"body", "keys", "pane", "planes", "view"}
    while new:
        loaded |= new
        texts = [(STATIC / "lesion" / f"{name}.js").read_text() for name in new]
        new = {m for text in texts for m in re.findall(r"from '\./(\w+)\.js'", text)} - loaded
    assert all(f'"{name}"' in page for name in loaded)
    everything = sum((STATIC / "lesion" / f"{name}.js").stat().st_size for name in loaded)
    assert everything + sum(path.stat().st_size for path in scripts) <= 60_000
