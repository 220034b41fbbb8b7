"""A reader study in a real browser: two readers choose by keyboard and mouse, blindly.

Pictures of its pages are kept in test-artefacts/reader-study.
"""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

import pytest

from benchmarks.peers.page_browser import PageBrowser
from dicomnode.reader_study.case_file import CaseVoxels
from dicomnode.reader_study.taking_part import find_study, presentation_for
from dicomnode.store.tables import ReaderStudyAnswer
from tests.dicomnode.reader_study.served import ServedStudies, served_studies
from tests.dicomnode.reader_study.small import SmallStudy, small_study
from tests.interop.peers import need, need_folder

pytestmark = pytest.mark.interop

FOLDER = Path(__file__).parent / "viewer"
PICTURES = Path(__file__).parents[2] / "test-artefacts" / "reader-study"
SIZES = {
    "tablet": {"width": 768, "height": 1024, "scale": 2, "touch": True},
    "tablet-across": {"width": 1024, "height": 768, "scale": 2, "touch": True},
    "desk": {"width": 1440, "height": 900},
    "4k": {"width": 3840, "height": 2160},
}
SERIOUS = ("serious", "critical")
CASE = "/reader-studies/1/cases"
DRAWN = "document.getElementById('viewer')?.dataset.drawn === 'yes'"


@pytest.fixture(scope="module")
def browser():
    need_folder(FOLDER / "node_modules" / "axe-core", "run npm ci in tests/interop/viewer")
    with PageBrowser(FOLDER, need("node"), need("chromium")) as browser:
        yield browser


@pytest.fixture
def study(tmp_path):
    made = small_study(tmp_path, cases=3, repeats=1, asks_origin=False)
    yield made
    made.database.close()


@pytest.fixture
def pages(study, tmp_path):
    with served_studies(study.database, tmp_path) as served:
        yield served


def sign_in(browser: PageBrowser, pages: ServedStudies, who: str, path: str, **window) -> None:
    browser.open(pages.address(f"/sign-in?next={path}"), **SIZES["desk"] | window)
    browser.fill("input[name=token]", pages.tokens[who])
    browser.click("main button")
    browser.arrive(pages.address(path))


def look_at(browser: PageBrowser, pages: ServedStudies, who: str, number: int, **window) -> None:
    sign_in(browser, pages, who, f"{CASE}/{number}", **window)
    browser.until(DRAWN)


def arrive(browser: PageBrowser, pages: ServedStudies, number: int) -> None:
    browser.arrive(pages.address(f"{CASE}/{number}"))
    browser.until(DRAWN)


def view(browser: PageBrowser, expression: str):
    return browser.run(
        "new Promise(drawn => requestAnimationFrame(() => requestAnimationFrame(drawn)))"
        f".then(() => (view => {expression})(reading.view))"
    )


def order_of(study: SmallStudy, who: str, number: int) -> list[int]:
    with study.database.read() as session:
        return presentation_for(session, 1, who, number).shown_order


def voxels_of(study: SmallStudy, who: str, number: int) -> CaseVoxels:
    with study.database.read() as session:
        return CaseVoxels.load(Path(presentation_for(session, 1, who, number).case.path))


def answers(study: SmallStudy) -> list[tuple[int, float | None]]:
    with study.database.read() as session:
        rows = session.query(ReaderStudyAnswer).order_by(ReaderStudyAnswer.id)
        return [(row.chosen, row.seconds) for row in rows]


def place_of(browser: PageBrowser, pane: str, part=(0.5, 0.5)) -> list[float]:
    box = browser.run(
        "(({ x, y, width, height }) => [x, y, width, height])"
        f"(document.getElementById('{pane}').getBoundingClientRect())"
    )
    return [box[0] + part[0] * box[2], box[1] + part[1] * box[3]]


def test_a_reader_chooses_by_keys_goes_on_and_back_and_changes_an_answer(browser, study, pages):
    look_at(browser, pages, "anna", 1)
    browser.press("Enter")  # nothing is chosen: the browser says so, nothing is sent
    assert browser.run("document.getElementById('told').textContent") == "Choose one first"
    browser.run("document.activeElement.blur()")
    browser.press("t", "Enter")  # the place to choose at is shown again
    assert browser.run("!document.getElementById('beside').hidden")
    assert answers(study) == []
    browser.press("b")
    assert browser.run("document.querySelector('input[name=chosen]:checked').value") == "B"
    browser.press("Enter")
    arrive(browser, pages, 2)
    browser.press("3", "n")  # chosen by number, saved on the way to the next
    arrive(browser, pages, 3)
    browser.press("p")
    arrive(browser, pages, 2)
    assert browser.run("document.querySelector('input[name=chosen]:checked').value") == "C"
    browser.press("a", "Enter")
    arrive(browser, pages, 3)
    assert "2 answered" in browser.run("document.body.innerText")
    found = answers(study)
    expected = [order_of(study, "anna", n)[place] for n, place in ((1, 1), (2, 2), (2, 0))]
    assert [chosen for chosen, _ in found] == expected
    assert all(0 <= seconds < 120 for _, seconds in found)
    assert browser.faults == []


def test_a_reader_chooses_by_mouse_and_the_last_case_leads_home(browser, study, pages):
    look_at(browser, pages, "ben", 4)
    browser.click("input[name=chosen][value=D]")
    browser.fill("textarea[name=words]", "its edge")
    browser.press("a", "n", "Enter")  # a field takes keys for itself
    browser.click(".save")
    browser.arrive(pages.address("/reader-studies/1"))
    assert "answered 1 of 4" in browser.run("document.body.innerText")
    assert [chosen for chosen, _ in answers(study)] == [order_of(study, "ben", 4)[3]]
    assert browser.faults == []


def test_each_candidate_is_drawn_under_its_letter_and_all_alike(browser, study, pages):
    """Colours of every pane are those of the candidate that the row names."""
    seen = {}
    for who in ("anna", "ben"):
        look_at(browser, pages, who, 1)
        voxels, order = voxels_of(study, who, 1), order_of(study, who, 1)
        view(
            browser,
            "(Object.assign(view.shown, { crosshair: false, smooth: false }),"
            " view.window = [20000, 20001], view.opacity = 1, view.changed(), 0)",
        )
        tinted = {}
        for letter in "ABCD":
            pixels = browser.pixels(f"pane-{letter}")[70:-70, 45:-45, :3].astype(int)
            tinted[letter] = int((pixels.max(axis=2) - pixels.min(axis=2) > 30).sum())
        bare = browser.pixels("pane-ct")[70:-70, 45:-45, :3]
        assert (bare == 0).all()
        here = voxels.start[0]
        scale = view(browser, "reading.beside[0].scale")
        area = voxels.spacing[1] * voxels.spacing[2] * scale**2
        for letter, index in zip("ABCD", order, strict=True):
            expected = (voxels.alpha[index, here] > 13).sum() * area
            assert tinted[letter] == pytest.approx(expected, rel=0.1)
        seen[who] = order
        titles = view(browser, "reading.beside.map(pane => pane.title())")
        assert titles[:4] == [f"{letter}, axial 0.0 mm" for letter in "ABCD"]
    assert seen["anna"] != seen["ben"]
    assert browser.faults == []


def test_what_goes_over_the_wire_tells_no_candidate(browser, study, pages):
    look_at(browser, pages, "anna", 1)
    browser.press("b", "Enter")
    arrive(browser, pages, 2)
    html = browser.run("document.documentElement.outerHTML")
    body = browser.run(
        f"fetch('{CASE}/2/volume').then(got => got.arrayBuffer())"
        ".then(got => new TextDecoder('latin1').decode(got))"
    )
    for text in (html, body, *browser.requests):
        for word in ("mask-", "matte", "egg-", "person", "computer", "repeat", "eggs-and"):
            assert word not in text.lower()
    asked = {urlsplit(address).path for address in browser.requests}
    allowed = ("/static/", "/sign-in", CASE)
    assert all(path.startswith(allowed) for path in asked)
    assert all(address.startswith(pages.address("")) for address in browser.requests)
    kept = browser.run("[Object.keys(localStorage).length, Object.keys(sessionStorage).length]")
    assert kept == [0, 0]


def test_all_panes_scroll_zoom_and_window_together(browser, study, pages):
    look_at(browser, pages, "anna", 1)
    start = view(browser, "view.centre")
    browser.press("ArrowUp", "ArrowUp", "ArrowDown")
    assert view(browser, "view.centre")[0] == start[0] + 1
    browser.wheel(place_of(browser, "pane-C"), -100)
    assert view(browser, "view.centre")[0] == start[0] + 2
    browser.press("ArrowRight")
    planes = view(browser, "reading.beside.map(pane => pane.plane)")
    assert planes == ["coronal"] * 5
    browser.press("ArrowLeft", "+")
    assert view(browser, "view.zoom") == 1.25
    windows = []
    for _ in range(4):
        browser.press("w")
        windows.append(view(browser, "view.presetName()"))
    assert windows[:2] == ["mediastinum", "bone"]  # as found is that of lung
    assert windows[2] == "start"
    browser.drag(place_of(browser, "pane-B"), place_of(browser, "pane-B", (0.6, 0.4)))
    moved = view(browser, "view.centre")
    assert moved[2] > start[2]
    assert moved[1] < start[1]
    browser.press("t")
    assert view(browser, "[reading.panes.map(pane => pane.plane), reading.panes[0].letter]") == [
        ["axial", "coronal", "sagittal"], "B",
    ]  # fmt: skip
    browser.press("d")
    assert view(browser, "reading.panes[2].letter") == "D"
    browser.press("t", "0")
    assert view(browser, "[view.zoom, view.centre]") == [1, start]
    assert browser.faults == []


def test_outlines_are_drawn_alike_where_their_voxels_end(browser, tmp_path):
    study = small_study(tmp_path, cases=1, display="outline")
    with served_studies(study.database, tmp_path) as pages:
        look_at(browser, pages, "anna", 1)
        browser.picture(PICTURES / "outlines.png")
        view(
            browser,
            "(view.shown.crosshair = false, view.window = [20000, 20001], view.changed(), 0)",
        )
        order = order_of(study, "anna", 1)
        lengths = {}
        for letter, index in zip("ABCD", order, strict=True):
            pixels = browser.pixels(f"pane-{letter}")[70:-70, 45:-45, :3].astype(int)
            # Yellow, as faint as it gets where a line lies between two pixels.
            lengths[index] = int((pixels[..., :2].min(axis=2) - pixels[..., 2] > 40).sum())
    # The matte at one half is the second mask, and drawn as that.
    assert lengths[3] == pytest.approx(lengths[1], rel=0.03)
    assert lengths[0] > lengths[1] > lengths[2] > 100
    study.database.close()


def test_who_made_each_is_asked_and_needed(browser, tmp_path):
    study = small_study(tmp_path, cases=1, asks_origin=True)
    with served_studies(study.database, tmp_path) as pages:
        look_at(browser, pages, "anna", 1)
        browser.press("a", "Enter")
        assert answers(study) == []
        for letter in "ABCD":
            browser.click(f"input[name=origin-{letter}][value=person]")
        browser.picture(PICTURES / "origins.png")
        assert [v for v in browser.accessibility() if v["impact"] in SERIOUS] == []
        browser.press("Enter")
        browser.arrive(pages.address("/reader-studies/1"))
        with study.database.read() as session:
            (row,) = session.query(ReaderStudyAnswer)
            assert row.judged == ["person"] * 4
    study.database.close()


def test_an_operator_closes_the_study_and_sees_what_came_of_it(browser, study, pages):
    for who in ("anna", "ben"):
        look_at(browser, pages, who, 1)
        for number in range(1, 5):
            arrive(browser, pages, number)
            browser.press("ABCD"[order_of(study, who, number).index(3)].lower(), "Enter")
        browser.arrive(pages.address("/reader-studies/1"))
        browser.picture(PICTURES / f"{who}-done.png")
        assert "Nothing is left to answer" in browser.run("document.body.innerText")
    sign_in(browser, pages, "olga", "/reader-studies/1")
    assert "mask-1" not in browser.run("document.body.innerText")
    browser.picture(PICTURES / "standing.png")
    browser.click("summary")
    browser.click("#close")
    browser.arrive(pages.address("/reader-studies/1/results"))
    told = browser.run("document.body.innerText")
    assert "Preference" in told
    assert "Both chose the same in 3 of 3 cases" in told
    browser.picture(PICTURES / "results.png")
    browser.run("scrollTo(0, 99999)")
    browser.picture(PICTURES / "results-below.png")
    assert [v for v in browser.accessibility() if v["impact"] in SERIOUS] == []
    assert browser.run("document.documentElement.scrollWidth <= innerWidth")
    with study.database.read() as session:
        assert find_study(session, 1).closed_by == "olga"
    sign_in(browser, pages, "anna", "/reader-studies/1")
    assert "The study is closed" in browser.run("document.body.innerText")
    assert browser.faults == []


@pytest.mark.parametrize("size", SIZES)
def test_the_page_is_legible_whole_and_sound_at_every_size(browser, pages, size):
    look_at(browser, pages, "anna", 1, **SIZES[size])
    browser.picture(PICTURES / f"{size}.png")
    page = "document.documentElement"
    assert browser.run(f"{page}.scrollWidth <= innerWidth")
    letters = browser.run(f"parseFloat(getComputedStyle({page}).fontSize)")
    assert letters >= (20 if SIZES[size]["width"] >= 3840 else 14)
    assert "Research, not for diagnosis" in browser.run("document.body.innerText")
    assert [v for v in browser.accessibility() if v["impact"] in SERIOUS] == []
    panes = browser.run(
        "[...document.querySelectorAll('#beside canvas')].map(c => [c.clientWidth, c.clientHeight])"
    )
    assert min(min(pane) for pane in panes) >= 150
    browser.press("?")
    browser.until("document.getElementById('help').open")
    browser.picture(PICTURES / f"{size}-help.png")
    assert [v for v in browser.accessibility() if v["impact"] in SERIOUS] == []
    assert browser.faults == []


def test_lists_are_sound(browser, pages):
    for who in ("anna", "olga"):
        sign_in(browser, pages, who, "/reader-studies")
        browser.picture(PICTURES / f"list-{who}.png")
        assert [v for v in browser.accessibility() if v["impact"] in SERIOUS] == []
    assert browser.faults == []


def test_without_scripts_a_form_takes_the_answer(browser, study, pages):
    sign_in(browser, pages, "anna", f"{CASE}/1/plain", scripts=False)
    browser.picture(PICTURES / "plain.png")
    assert any("/pictures/axial.png" in address for address in browser.requests)
    browser.click("input[name=chosen][value=B]")
    browser.click(".save")
    browser.arrive(pages.address(f"{CASE}/2/plain"))
    assert answers(study) == [(order_of(study, "anna", 1)[1], None)]


def test_a_study_that_was_closed_meanwhile_says_so_and_keeps_what_is_on_the_page(
    browser, study, pages
):
    look_at(browser, pages, "anna", 1)
    pages.ask("/reader-studies/1/close", "olga", {})
    browser.press("b", "Enter")
    browser.until("document.getElementById('told').textContent.includes('closed')")
    assert "Not saved" in browser.run("document.getElementById('told').textContent")
    assert answers(study) == []
