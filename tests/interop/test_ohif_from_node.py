"""OHIF opens what the node received and made, from the node itself: no other server takes part.

What is asked of the pictures is what is asked of them in `test_ohif`, where Orthanc serves them.
They are kept in test-artefacts/ohif as ``node-...``.
"""

from __future__ import annotations

import re

import pytest

from benchmarks.peers.ohif_page import OhifBrowser
from benchmarks.peers.ohif_process import OhifProcess
from dicomnode.store.database import Database
from tests.dicomnode.web.dicomweb.served import Served
from tests.interop.peers import need, need_folder
from tests.interop.test_ohif import (
    CARD,
    FOLDER,
    NEARLY_NOTHING,
    PICTURES,
    alpha_of,
    check_that_nothing_went_wrong,
    covers,
    lesion_of,
    make,
    on_lines,
    see,
    see_after,
)

pytestmark = pytest.mark.interop


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    for program in ("chromium", "node"):
        need(program)
    dist = need_folder(
        FOLDER / "node_modules" / "@ohif" / "app" / "dist", "run npm ci in tests/interop/ohif"
    )
    folder = tmp_path_factory.mktemp("ohif-from-node")
    (folder / "store").mkdir()
    database = Database(f"sqlite:///{folder / 'store' / 'node.sqlite'}")
    database.upgrade()
    served = Served(folder, database)
    served.keep(*CARD.ct, CARD.report)
    served.make(make("binary-seg", "letter"))
    served.make(make("band-seg", "wedge"))
    # OHIF 3.13 takes the frames for the slices of the CT, one by one from the first.
    served.make(make("parametric-map", "wedge", omit_empty_frames=False))
    served.make(make("ohif-report", "letter"))
    served.make(make("report", "ramp sphere"))
    served.make(make("fractional-seg", "ramp sphere"))
    database.close()
    with OhifProcess(folder, dist) as server:
        yield server


@pytest.fixture(scope="module")
def address(server):
    return server.study(CARD.study_instance_uid)


@pytest.fixture(scope="module")
def browser(server):
    with OhifBrowser(FOLDER, need("node"), need("chromium")) as browser:
        yield browser


def open_study(browser, address):
    """Open it; OHIF says that it is for research, each time."""
    browser.open(address)
    browser.confirm()


def load(browser, address, series, *, asks=True):
    """Open the study and load a series on it; of some OHIF asks first whether it should."""
    open_study(browser, address)
    browser.load(series)
    if asks:
        browser.agree()


@pytest.mark.parametrize(
    ("query", "is_there"),
    [("", True), ("?patientName=testc", True), ("?patientName=nobody", False)],
)
def test_the_list_of_studies_has_the_study_and_finds_it_by_name(server, browser, query, is_there):
    browser.go(f"{server.origin}/{query}")
    expected = "TESTCARD" if is_there else "No studies available"
    browser.until(lambda _: expected in browser.words(), f"{expected} in the list")
    state = browser.state()
    assert (state.page_errors, state.failures) == ((), ())


def test_the_ct_lies_where_it_is_and_is_as_grey_as_it_is(browser, address):
    open_study(browser, address)
    see(browser, "node-ct", lambda seen: not seen.touched.any())


def test_a_binary_seg_of_few_frames_lies_on_its_shape(browser, address):
    see_after(
        lambda: load(browser, address, "binary-seg of letter"),
        browser,
        "node-binary-seg",
        covers("letter", 0.5),
    )


def test_bands_of_alpha_lie_side_by_side(browser, address):
    see_after(
        lambda: load(browser, address, "band-seg of wedge"),
        browser,
        "node-band-seg",
        covers("wedge", 0.25),
    )
    browser.open_panel("panelSegmentation")
    state = browser.until(lambda state: len(state.segments) == 3, "three segments in the panel")
    for band, label in zip(("halo", "rim", "core"), state.segments, strict=True):
        assert band in label


def test_a_parametric_map_is_drawn(browser, address):
    see_after(
        lambda: load(browser, address, "parametric-map of wedge", asks=False),
        browser,
        "node-parametric-map",
        covers("wedge", NEARLY_NOTHING),
    )


def test_measured_axes_open_as_a_measurement(browser, address):
    lesion = lesion_of("letter")
    see_after(
        lambda: load(browser, address, "ohif-report of letter"),
        browser,
        "node-ohif-report",
        on_lines(lesion.measurements.axes),
    )
    browser.open_panel("trackedMeasurements")
    words = ("letter", f"L: {lesion.measurements.long_mm:.1f} mm")
    state = browser.until(
        lambda state: all(word in state.measurements for word in words), f"{words} in the panel"
    )
    check_that_nothing_went_wrong(state)


def test_the_report_shows_its_lengths(browser, address):
    lesion = lesion_of("ramp sphere")
    see_after(
        lambda: load(browser, address, "report of ramp sphere", asks=False),
        browser,
        "node-report",
        lambda seen: seen.touched[alpha_of("ramp sphere", seen.index) >= 0.5].any(),
    )
    lengths = [float(n) for n in re.findall(r"([\d.]+) mm", browser.state().viewport)]
    assert min(abs(n - lesion.measurements.long_mm) for n in lengths) < 0.01


def test_nothing_was_asked_of_another_machine_and_no_patient_is_in_the_log(server, browser):
    assert browser.origins() <= {server.origin}
    assert str(CARD.ct[0].PatientName).split("^")[0].lower() not in server.log.lower()
    assert (PICTURES / "node-ct.png").is_file()
