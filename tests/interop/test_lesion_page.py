"""The lesion page in a real browser: what it draws, compared with numpy, and what it obeys.

Pictures of it are kept in test-artefacts/lesion-page.
"""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import contourpy
import numpy as np
import pytest

from benchmarks.peers.lesion_store import LesionStore, lesion_store
from benchmarks.peers.page_browser import PageBrowser
from benchmarks.peers.page_server import PageServer
from dicomnode.results.iso_curves import LEVEL_COLOURS
from dicomnode.settings.web import WebSettings
from dicomnode.store.states import Decision
from dicomnode.store.tables import Verdict
from dicomnode.web.access.access import Access
from dicomnode.web.access.tokens import TokenFile
from dicomnode.web.lesion.colour_map import LESS, MORE, alpha_colours
from pipelines.soft_mask import SoftMask
from tests.interop.peers import need, need_folder

pytestmark = pytest.mark.interop

FOLDER = Path(__file__).parent / "viewer"
PICTURES = Path(__file__).parents[2] / "test-artefacts" / "lesion-page"
PLANES = {"axial": (0, 1, 2), "coronal": (1, 0, 2), "sagittal": (2, 0, 1)}
"""Axes (head, back, left) through, down and across a plane."""
SIZES = {
    "tablet": {"width": 768, "height": 1024, "scale": 2, "touch": True},
    "tablet-across": {"width": 1024, "height": 768, "scale": 2, "touch": True},
    "desk": {"width": 1440, "height": 900},
    "4k": {"width": 3840, "height": 2160},
    "4k-close": {"width": 1920, "height": 1080, "scale": 2},
}
SERIOUS = ("serious", "critical")


@pytest.fixture(scope="module")
def browser():
    need_folder(FOLDER / "node_modules" / "axe-core", "run npm ci in tests/interop/viewer")
    with PageBrowser(FOLDER, need("node"), need("chromium")) as browser:
        yield browser


@pytest.fixture(scope="module")
def store(tmp_path_factory) -> LesionStore:
    made = lesion_store(tmp_path_factory.mktemp("store"))
    yield made
    made.database.close()


@pytest.fixture(scope="module")
def server(store):
    with PageServer(store.database) as server:
        yield server


@pytest.fixture
def page(browser, server):
    """The page of the lesion, drawn; afterwards nothing may have gone wrong in it."""
    show(browser, server, **SIZES["desk"])
    yield browser
    assert browser.faults == []


def show(browser: PageBrowser, server: PageServer, **window: Any) -> None:
    browser.open(server.address("/lesions/1"), **window)
    browser.until("document.getElementById('viewer').dataset.drawn === 'yes'")


def view(browser: PageBrowser, expression: str) -> Any:
    """Something of what is looked at, once the page has drawn it."""
    return browser.run(
        "new Promise(drawn => requestAnimationFrame(() => requestAnimationFrame(drawn)))"
        f".then(() => (view => {expression})(lesion.view))"
    )


def place_of(browser: PageBrowser, pane: str, part: tuple[float, float] = (0.5, 0.5)) -> list:
    """Where on the page a part of a canvas lies."""
    box = browser.run(
        f"(({{ x, y, width, height }}) => [x, y, width, height])"
        f"(document.getElementById('{pane}').getBoundingClientRect())"
    )
    return [box[0] + part[0] * box[2], box[1] + part[1] * box[3]]


def only(browser: PageBrowser, *shown: str, opacity: float = 0.5) -> None:
    """Show nothing but the CT and some layers, voxels as they are."""
    names = json.dumps({name: name in shown for name in (
        "colour", "contours", "trimap", "marks", "crosshair", "smooth")})  # fmt: skip
    view(
        browser,
        f"(Object.assign(view.shown, {names}), view.profile = [[-99, 0, 0], [-99, 1, 1]],"
        f" view.opacity = {opacity}, view.changed(), 0)",
    )


def on_screen(browser: PageBrowser, pane: int, places: np.ndarray) -> np.ndarray:
    """Pixels of a canvas, (x, y), of places on the lattice."""
    return np.array(
        view(browser, f"{places.tolist()}.map(place => lesion.panes[{pane}].toScreen(place))")
    )


def lattice_of(part: np.ndarray, plane: str, at: int, first: tuple[int, ...]) -> np.ndarray:
    """Places of all voxels of a plane, shape (rows, columns, 3)."""
    through, down, across = PLANES[plane]
    places = np.zeros((*part.shape, 3))
    places[..., through] = at
    places[..., down] = np.arange(part.shape[0])[:, None] + first[down]
    places[..., across] = np.arange(part.shape[1]) + first[across]
    return places


def clear_of_words(places: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Which pixels lie where nothing is written."""
    x, y = places[..., 0], places[..., 1]
    return (x > 45) & (x < shape[1] - 45) & (y > 65) & (y < shape[0] - 65)


def mixed(under: np.ndarray, colours: np.ndarray, opacity: np.ndarray) -> np.ndarray:
    return under * (1 - opacity[..., None]) + colours * opacity[..., None]


def check_colours(browser: PageBrowser, hu: np.ndarray, alpha: np.ndarray, first) -> None:
    """Every voxel's centre is as grey and as coloured as it must be, on all planes.

    `hu` and `alpha` run towards the head, the back and the left; `first` is the place of the first
    voxel of `hu` on the lattice, whose origin is the first voxel of `alpha`.
    """
    only(browser, "colour")
    low, high = view(browser, "view.window")
    centre = [round(p) for p in view(browser, "view.centre")]
    padded = np.zeros(hu.shape)
    box = tuple(slice(-f, -f + n) for f, n in zip(first, alpha.shape, strict=True))
    padded[box] = np.rint(alpha * 255)
    for pane, (plane, (through, _, _)) in enumerate(PLANES.items()):
        index = centre[through] - first[through]
        grey, part = (np.take(array, index, axis=through) for array in (hu, padded))
        places = lattice_of(grey, plane, centre[through], first)
        screen = on_screen(browser, pane, places.reshape(-1, 3)).reshape(*grey.shape, 2)
        grey = np.rint(np.clip((grey - low) / (high - low) * 255, 0, 255))
        grey = np.repeat(grey[..., None], 3, axis=2)
        opacity = 0.5 * np.minimum(1, part / 255 / 0.1)
        expected = mixed(grey, alpha_colours()[part.astype(int)], opacity)
        pixels = browser.pixels(plane)
        clear = clear_of_words(screen, pixels.shape)
        assert clear.sum() > 800
        assert (part[clear] > 0).sum() > 150
        x, y = np.floor(screen[clear]).astype(int).T
        assert np.abs(pixels[y, x, :3] - expected[clear]).max() <= 3
        # Up and to the left on the screen: see the letters at the edges.
        origin, back, left, head = on_screen(
            browser, pane, np.vstack([np.zeros(3), np.eye(3)[[1, 2, 0]]])
        )
        if plane == "axial":
            assert left[0] > origin[0]
            assert back[1] > origin[1]
        else:
            assert head[1] < origin[1]
            assert (left if plane == "coronal" else back)[0] > origin[0]


def test_every_voxel_has_the_grey_and_the_colour_that_numpy_says(page, store):
    box = (slice(None),) * 3
    first = tuple(-o for o in store.mask.offset)
    margin = [int(np.ceil(30 / s)) for s in store.mask.alpha.spacing]
    first = tuple(max(f, -m) for f, m in zip(first, margin, strict=True))
    start = np.add(store.mask.offset, first)
    last = np.add(store.mask.offset, store.mask.alpha.spatial_shape) + margin
    box = tuple(slice(int(a), int(b)) for a, b in zip(start, last, strict=True))
    check_colours(page, store.volume.array[box].astype(float), store.mask.alpha.array, first)
    page.picture(PICTURES / "colours.png")


def test_a_sagittal_ct_is_shown_as_it_lies_in_the_patient(browser, tmp_path):
    """Slices run to the right, rows to the feet, columns to the front."""
    store = lesion_store(tmp_path, shape=(40, 70, 80), spacing=(1.2, 0.9, 0.8), directions="RFA")
    # By hand: (right, feet, front) to (head, back, left).
    hu, alpha = (
        v.array[::-1, ::-1, ::-1].transpose(1, 2, 0) for v in (store.volume, store.mask.alpha)
    )
    ends = np.add(store.mask.offset, store.mask.alpha.spatial_shape)
    beyond = np.subtract(store.volume.spatial_shape, ends)[[1, 2, 0]]
    margin = np.ceil(30 / np.array([0.9, 0.8, 1.2])).astype(int)
    first = np.minimum(beyond, margin)
    last = beyond + alpha.shape + margin
    box = tuple(slice(int(a), int(b)) for a, b in zip(beyond - first, last, strict=True))
    with PageServer(store.database) as server:
        show(browser, server, **SIZES["desk"])
        check_colours(browser, hu[box].astype(float), alpha, tuple((-first).tolist()))
        assert browser.faults == []
    store.database.close()


def test_marching_squares_gives_contourpys_curves(page):
    """Every segment, also where saddles could be parted either way."""
    rng = np.random.default_rng(3)
    for values in (rng.integers(0, 256, (24, 31)), rng.integers(0, 4, (15, 15)) * 85):
        for level in (63.75, 127.5, 191.25):
            rows, columns = values.shape
            part = f"{{values: {values.ravel().tolist()}, columns: {columns}, rows: {rows}}}"
            curves = page.run(
                "import('/static/lesion/contours.js').then(({ contours }) =>"
                f" contours({part}, {level}))"
            )
            points = [np.array(curve).reshape(-1, 2) for curve in curves]
            found = np.concatenate([np.stack([p, np.roll(p, -1, 0)], axis=1) for p in points])
            # As `plane_curves`: a pixel with exactly the level lies within.
            lines = contourpy.contour_generator(z=np.pad(values, 1)).lines(level - 1e-9)
            expected = np.concatenate([np.stack([p[:-1], p[1:]], axis=1) for p in lines]) - 1
            assert len(found) == len(expected)
            np.testing.assert_allclose(in_order(found), in_order(expected), atol=2e-3)


def in_order(segments: np.ndarray) -> np.ndarray:
    """Segments without direction, in an order that does not hang on how they were found."""
    flat = np.round(segments, 3).reshape(-1, 2, 2)
    swap = (flat[:, 0, 0] > flat[:, 1, 0]) | (
        (flat[:, 0, 0] == flat[:, 1, 0]) & (flat[:, 0, 1] > flat[:, 1, 1])
    )
    flat[swap] = flat[swap][:, ::-1]
    flat = flat.reshape(-1, 4)
    return flat[np.lexsort(flat.T[::-1])]


@pytest.mark.parametrize("pane", range(3))
def test_contours_are_drawn_between_voxels_where_numpy_says(page, store, pane):
    only(page, "contours", "smooth")
    view(page, "(view.zoomBy(1.5), view.window = [-20000, 20000], view.changed(), 0)")
    plane = list(PLANES)[pane]
    through, down, across = PLANES[plane]
    at = round(view(page, "view.centre")[through])
    part = np.take(np.rint(store.mask.alpha.array * 255), at, axis=through)
    pixels = page.pixels(plane)[..., :3].astype(int)
    for level, colour in LEVEL_COLOURS.items():
        lines = contourpy.contour_generator(z=np.pad(part, 1)).lines(255 * level)
        points = np.concatenate(lines) - 1
        places = np.zeros((len(points), 3))
        places[:, through], places[:, across], places[:, down] = at, points[:, 0], points[:, 1]
        screen = on_screen(page, pane, places)
        unlike = np.abs(pixels - colour).max(axis=2)
        drawn = np.argwhere(unlike < 40)[:, ::-1] + 0.5
        clear = clear_of_words(drawn, pixels.shape)
        away = np.array([segment_distance(p, screen) for p in drawn[clear]])
        assert len(away) > 60
        assert away.max() < 1.6
        # And nowhere is the curve without its colour.
        faintly = np.argwhere(unlike < 90)[:, ::-1] + 0.5
        for point in screen[clear_of_words(screen, pixels.shape)]:
            assert np.abs(faintly - point).max(axis=1).min() < 2


def segment_distance(point: np.ndarray, line: np.ndarray) -> float:
    """From a point to the nearest part of a line."""
    start, step = line[:-1], np.diff(line, axis=0)
    length = np.maximum((step**2).sum(axis=1), 1e-12)
    part = np.clip(((point - start) * step).sum(axis=1) / length, 0, 1)
    return float(np.linalg.norm(start + part[:, None] * step - point, axis=1).min())


def test_the_profile_holds_what_lies_on_the_line(page, store):
    page.press("h")
    found = page.run(
        "import('/static/lesion/charts.js').then(({ sampled }) => sampled(lesion.view))"
    )
    z, y, _ = (round(p) for p in view(page, "view.centre"))
    alpha = np.rint(store.mask.alpha.array[z, y] * 255) / 255
    hu = store.volume.array[
        z + store.mask.offset[0], y + store.mask.offset[1], store.mask.offset[2] :
    ][: len(alpha)]
    mm = np.arange(len(alpha)) * store.mask.alpha.spacing[2]
    at = [point["mm"] for point in found]
    assert at[-1] == pytest.approx(mm[-1])
    np.testing.assert_allclose([p["alpha"] for p in found], np.interp(at, mm, alpha), atol=1e-6)
    np.testing.assert_allclose([p["hu"] for p in found], np.interp(at, mm, hu), atol=1e-3)


def test_the_histogram_counts_every_voxel_of_the_box(page, store):
    found = page.run(
        "import('/static/lesion/charts.js').then(({ histogram }) =>"
        " (h => ({ ...h, lesion: [...h.lesion], rest: [...h.rest] }))(histogram(lesion.view)))"
    )
    first, shape = store.mask.offset, store.mask.alpha.spatial_shape
    box = tuple(slice(f, f + n) for f, n in zip(first, shape, strict=True))
    weights = np.rint(store.mask.alpha.array * 255) / 255
    hu = store.volume.array[box].clip(-1024, 1500)
    edges = found["low"] + found["width"] * np.arange(len(found["lesion"]) + 1)
    assert (edges[0], edges[-1]) == (hu.min(), pytest.approx(hu.max()))
    assert sum(found["lesion"]) == pytest.approx(weights.sum())
    assert sum(found["rest"]) == pytest.approx((1 - weights).sum())
    # A value on an edge may fall to either side.
    expected = np.histogram(hu, edges, weights=weights)[0]
    assert np.abs(np.cumsum(found["lesion"]) - np.cumsum(expected)).max() < 12


def grid_of(browser: PageBrowser, name: str) -> tuple[np.ndarray, list[int]]:
    """An array of the page, and the place of its first voxel."""
    data, shape, offset = view(browser, f"(g => [[...g.data], g.shape, g.offset])({name})")
    return np.array(data).reshape(shape), offset


def test_another_method_is_shown_beside_with_the_difference(page, store):
    page.choose("#method", "closed-form+")
    page.until("!document.getElementById('difference').hidden")
    own, other, less = view(
        page, "['own', 'other', 'difference'].map((_, i) => lesion.panes[i].shows)"
    )
    assert (own, other, less) == ("own", "other", "difference")
    difference, first = grid_of(page, "view.difference")
    other = grid_of(page, "view.other.alpha")
    own = np.rint(store.mask.alpha.array * 255).astype(int)
    expected = np.zeros(difference.shape, int)
    for sign, (array, offset) in ((1, other), (-1, (own, (0, 0, 0)))):
        corner = np.subtract(offset, first)
        box = tuple(slice(c, c + n) for c, n in zip(corner, array.shape, strict=True))
        expected[box] += sign * array
    np.testing.assert_array_equal(difference, expected)
    words = page.run("document.getElementById('difference').innerText")
    assert f"{np.abs(expected).sum() / 255 * store.mask.alpha.voxel_volume / 1000:.3f} ml" in words
    only(page, "colour", opacity=1.0)
    view(page, "(view.window = [3000, 3001], view.changed(), 0)")  # black below
    at = round(view(page, "view.centre")[0])
    part = difference[at - first[0]]
    places = lattice_of(part, "axial", at, first)
    screen = on_screen(page, 2, places.reshape(-1, 3)).reshape(*part.shape, 2)
    pixels = page.pixels("sagittal")[..., :3].astype(int)
    x, y = np.floor(screen).astype(int).transpose(2, 0, 1)
    colours = np.where(part[..., None] < 0, LESS, MORE)
    expected = mixed(np.zeros(3), colours, np.minimum(1, 3 * np.abs(part) / 255))
    clear = clear_of_words(screen, pixels.shape)
    assert np.abs(part[clear]).max() > 20
    assert np.abs(pixels[y, x] - expected)[clear].max() <= 3
    page.picture(PICTURES / "comparison.png")
    assert [v for v in page.accessibility() if v["impact"] in SERIOUS] == []
    page.press("Escape")
    page.until("document.getElementById('difference').hidden")
    assert view(page, "lesion.panes.map(pane => pane.plane)") == list(PLANES)


def test_who_waits_for_a_method_sees_how_long_and_can_leave_off(page):
    # Never answered, as by a worker that computes for long.
    page.run(
        "(fetch => { globalThis.fetch = (address, options) => !address.includes('/methods/')"
        " ? fetch(address, options) : new Promise((_, fail) => options.signal"
        ".addEventListener('abort', () => fail(options.signal.reason))); })(fetch)"
    )
    page.choose("#method", "knn")
    told = "document.getElementById('told')"
    page.until(f"{told}.dataset.seconds >= 1")
    assert page.run(f"{told}.textContent") == "Computing knn (Esc leaves it)"
    page.run("document.activeElement.blur()")
    page.press("Escape")
    page.until(f"{told}.textContent === '' && {told}.dataset.seconds === undefined")
    assert page.run("document.getElementById('method').value") == ""
    assert view(page, "view.other") is None


KEYS = [
    (["PageUp", "PageUp"], "view.centre[0] - view.lesion.start[0]", 0, 2),
    (["Shift+PageDown"], "view.centre[0] - view.lesion.start[0]", 0, -5),
    (["ArrowRight"], "view.centre[2] - view.lesion.start[2]", 0, 1),
    (["ArrowUp"], "view.centre[1] - view.lesion.start[1]", 0, -1),
    (["n", "ArrowUp"], "view.centre[0] - view.lesion.start[0]", 0, 1),
    (["n", "n", "PageUp"], "view.centre[2] - view.lesion.start[2]", 0, 1),
    (["1"], "view.window", None, [-1350, 150]),
    (["2"], "view.window", None, [-160, 240]),
    (["3"], "view.window", None, [-450, 1050]),
    (["2", "4"], "view.window", None, [-1350, 150]),
    (["2", "Alt+ArrowUp", "Alt+ArrowRight"], "view.window", None, [-160, 280]),
    (["+"], "view.zoom", 1, 1.25),
    (["+", "0"], "view.zoom", 1, 1),
    (["["], "view.opacity", 0.5, 0.45),
    (["a"], "view.shown.colour", True, False),
    (["c"], "view.shown.contours", True, False),
    (["t"], "view.shown.trimap", False, True),
    (["m"], "view.shown.marks", True, False),
    (["x"], "view.shown.crosshair", True, False),
    (["i"], "view.shown.smooth", True, False),
    (["d"], "view.tool", "crosshair", "window"),
    (["z"], "view.tool", "crosshair", "zoom"),
    (["?"], "document.getElementById('help').open", False, True),
    (["?", "Escape"], "document.getElementById('help').open", False, False),
]  # fmt: skip
"""Keys, what they change, its value before or None, and after."""


def test_keys_do_all_that_can_be_done(page):
    shown = json.dumps(view(page, "view.shown"))
    for keys, expression, before, after in KEYS:
        assert before is None or view(page, expression) == before
        page.press(*keys)
        expected = pytest.approx(after) if isinstance(after, float | list) else after
        assert view(page, expression) == expected, (keys, expression)
        page.press("Escape", "v")
        view(
            page,
            f"(Object.assign(view.shown, {shown}), view.active = 'axial', view.opacity = 0.5,"
            " document.activeElement.blur(), view.home(), 0)",
        )


def test_whole_slices_come_when_asked_for_and_go(page, store):
    page.press("w")
    page.until("lesion.view.hu !== lesion.view.lesion.hu")
    shape = view(page, "view.hu.shape")
    assert shape[1:] == list(store.volume.spatial_shape[1:])
    page.press("w")
    page.until("lesion.view.hu === lesion.view.lesion.hu")
    # Asked for and not any more, before they have come.
    page.run("(lesion.controls.wholeHu = undefined, 0)")
    page.run("Promise.all([lesion.controls.whole(), lesion.controls.whole()]).then(() => 0)")
    assert view(page, "view.hu === view.lesion.hu")


def test_a_field_takes_keys_for_itself(page):
    page.fill("#window-width", "900")
    page.press("Tab")
    low, high = view(page, "view.window")
    assert high - low == 900
    assert view(page, "[view.tool, view.shown.colour]") == ["crosshair", True]


def test_the_mouse_moves_scrolls_zooms_pans_and_windows(page):
    page.drag(place_of(page, "axial"), place_of(page, "axial", (0.6, 0.45)))
    moved = view(page, "view.centre")
    screen = on_screen(page, 0, np.array([moved]))[0]
    size = page.pixels("axial").shape
    np.testing.assert_allclose(screen, [0.6 * size[1], 0.45 * size[0]], atol=1.5)
    page.wheel(place_of(page, "coronal"), 100)
    assert view(page, "view.centre")[1] == round(moved[1]) - 1
    page.drag(place_of(page, "axial"), place_of(page, "axial", (0.6, 0.6)), button="right")
    low, high = view(page, "view.window")
    assert high - low > 1500
    assert (low + high) / 2 > -600
    pan = view(page, "view.pane.axial")
    page.drag(place_of(page, "axial"), place_of(page, "axial", (0.7, 0.5)), button="middle")
    assert view(page, "view.pane.axial")[2] < pan[2]
    page.click("input[value=zoom]")
    page.drag(place_of(page, "axial"), place_of(page, "axial", (0.5, 0.3)))
    assert view(page, "view.zoom") > 1.3
    page.click("input[value=profile]")
    page.drag(place_of(page, "axial", (0.3, 0.5)), place_of(page, "axial", (0.7, 0.5)))
    from_, to = view(page, "view.profile")
    assert to[2] > from_[2]
    assert to[1] == pytest.approx(from_[1])


def test_fingers_drag_and_pinch(browser, server):
    show(browser, server, **SIZES["tablet"])
    start = view(browser, "view.centre")
    browser.fingers((place_of(browser, "axial"), place_of(browser, "axial", (0.65, 0.5))))
    assert view(browser, "view.centre")[2] > start[2]
    apart = [place_of(browser, "axial", (x, 0.5)) for x in (0.4, 0.2, 0.6, 0.8)]
    browser.fingers((apart[0], apart[1]), (apart[2], apart[3]))
    assert view(browser, "view.zoom") == pytest.approx(3, rel=0.15)
    assert browser.faults == []


@pytest.mark.parametrize("size", SIZES)
def test_the_page_is_legible_whole_and_sound_at_every_size(browser, server, size):
    show(browser, server, **SIZES[size])
    browser.until("document.querySelectorAll('#measured tr').length > 5")
    browser.picture(PICTURES / f"{size}.png")
    page = "document.documentElement"
    assert browser.run(f"{page}.scrollWidth <= innerWidth")
    letters = browser.run(f"parseFloat(getComputedStyle({page}).fontSize)")
    assert letters >= (20 if SIZES[size]["width"] >= 3840 else 14)
    assert "Research, not for diagnosis" in browser.run("document.body.innerText")
    assert [v for v in browser.accessibility() if v["impact"] in SERIOUS] == []
    browser.press("?")
    browser.until("document.getElementById('help').open")
    browser.picture(PICTURES / f"{size}-help.png")
    assert [v for v in browser.accessibility() if v["impact"] in SERIOUS] == []
    here = server.address("")
    assert all(address.startswith(here) for address in browser.requests)
    assert browser.faults == []


def test_without_scripts_the_servers_pictures_come(browser, server):
    browser.open(server.address("/lesions/1"), scripts=False, width=1024, height=900)
    browser.arrive(server.address("/lesions/1/plain"))
    browser.picture(PICTURES / "plain.png")
    assert any(address.endswith("/pictures/axial.png") for address in browser.requests)


def test_the_trimap_is_mended_with_the_brush_and_judged(browser, tmp_path):
    store = lesion_store(tmp_path)
    # As a node has it, so that what is posted shows that it came from the page.
    web = WebSettings(port=0, loopback_role="viewer")
    access = Access(web, TokenFile(tmp_path / "tokens"))
    with PageServer(store.database, access=access) as server:
        show(browser, server, **SIZES["desk"])
        browser.press("b")
        browser.until("lesion.judge.solvedMs > 0")
        before, _ = grid_of(browser, "view.own.trimap")
        np.testing.assert_array_equal(before, store.mask.trimap.array)
        # Away with all on the left of the crosshair, with a thick brush, on one plane.
        browser.fill("#radius", "6")
        browser.choose("#paint", "0")
        centre = np.array(view(browser, "view.centre"))
        browser.run("lesion.judge.solvedMs = 0")
        ends = [centre + np.array([0, y, 9]) for y in (-16, 16)]
        box = np.array(place_of(browser, "axial", (0, 0)))
        browser.drag(*(on_screen(browser, 0, np.array(ends)) + box).tolist())
        browser.until("lesion.judge.solvedMs > 0")
        painted, _ = grid_of(browser, "view.own.trimap")
        z, _, x = centre.astype(int)
        changed = painted != before
        assert changed[z].sum() > 50
        assert not np.delete(changed, z, axis=0).any()
        columns = np.flatnonzero(changed[z].any(axis=0))
        assert abs(columns.min() - (x + 9 - 6 / 0.7)) <= 1
        alpha, _ = grid_of(browser, "view.own.alpha")
        assert (alpha[painted == 0] == 0).all()
        browser.picture(PICTURES / "brush.png")
        assert [v for v in browser.accessibility() if v["impact"] in SERIOUS] == []
        # By keys: a stroke at the crosshair, and back.
        browser.run("document.activeElement.blur()")
        browser.press("Space")
        assert (grid_of(browser, "view.own.trimap")[0] != painted).any()
        browser.press("Backspace")
        np.testing.assert_array_equal(grid_of(browser, "view.own.trimap")[0], painted)
        browser.until("!lesion.judge.asking")
        browser.click("#accept")
        browser.until("document.querySelectorAll('#verdicts li').length === 1")
        assert "accepted as mended by loopback" in browser.run("document.body.innerText")
        browser.choose("#reason", "too-small")
        browser.click("#reject")
        browser.until("document.querySelectorAll('#verdicts li').length === 2")
        assert view(browser, "view.own === view.lesion")
        # What was accepted is the lesion's own from then on, also on the page.
        np.testing.assert_array_equal(grid_of(browser, "view.own.trimap")[0], painted)
        assert browser.faults == []
        # A rejection without a reason is refused in words.
        browser.click("#reject")
        browser.until("document.getElementById('told').textContent.includes('needs a reason')")
    with store.database.read() as session:
        rejected, accepted = session.query(Verdict).order_by(Verdict.id.desc()).all()
        assert (accepted.decision, rejected.reason) == (Decision.ACCEPTED, "too-small")
        kept = SoftMask.load(io.BytesIO(accepted.mended))
    np.testing.assert_array_equal(kept.trimap.array, painted)
    store.database.close()
