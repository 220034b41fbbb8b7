"""What the lesion page's addresses answer, over a real socket."""

from __future__ import annotations

import io
import json
import re
import urllib.error
import urllib.request
from email.message import Message
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import dicomnode.web
from benchmarks.peers.lesion_store import LesionStore, lesion_store
from benchmarks.peers.page_server import PageServer
from dicomnode.store.states import LesionState
from dicomnode.store.tables import Lesion
from tests.dicomnode.web.lesion.test_bundle import unpacked

STATIC = Path(dicomnode.web.__file__).parent / "static" / "lesion"
TEMPLATES = Path(dicomnode.web.__file__).parent / "templates"
MOST_BYTES = 60_000
"""Of all scripts together."""


@pytest.fixture(scope="module")
def store(tmp_path_factory) -> LesionStore:
    made = lesion_store(tmp_path_factory.mktemp("store"))
    yield made
    made.database.close()


@pytest.fixture(scope="module")
def server(store):
    with PageServer(store.database) as server:
        yield server


def get(server: PageServer, path: str, accept: str = "*/*") -> tuple[int, bytes, Message]:
    asked = urllib.request.Request(server.address(path), headers={"Accept": accept})
    try:
        with urllib.request.urlopen(asked, timeout=60) as got:
            return got.status, got.read(), got.headers
    except urllib.error.HTTPError as error:
        return error.code, error.read(), error.headers


def test_the_volume_holds_ct_alpha_trimap_and_mark_where_they_are(server, store):
    status, body, headers = get(server, "/lesions/1/volume")
    assert status == 200
    assert headers["Cache-Control"] == "no-store"
    drawn = unpacked(body)
    first = np.array(store.mask.offset)
    np.testing.assert_allclose(drawn["alpha"].array, store.mask.alpha.array * 255, atol=0.5)
    np.testing.assert_array_equal(drawn["trimap"].array, store.mask.trimap.array)
    hu = drawn["hu"].array
    box = tuple(slice(a, a + n) for a, n in zip(first + drawn["hu"].offset, hu.shape, strict=True))
    np.testing.assert_array_equal(hu, store.volume.array[box])
    with store.database.read() as session:
        lesion = session.get_one(Lesion, 1)
    ends = store.volume.map_reference_to_indices(np.array(lesion.long_axis)) - first
    np.testing.assert_allclose(drawn["marks"][0]["points"], ends, atol=0.02)
    assert drawn["method"] == "closed-form"
    assert drawn["warnings"] == ["the egg is drawn, not computed"]


def test_whole_slices_reach_to_the_edges(server, store):
    drawn = unpacked(get(server, "/lesions/1/slices")[1])
    assert drawn["hu"].array.shape[1:] == store.volume.spatial_shape[1:]


def test_measurements_have_units(server, store):
    rows = json.loads(get(server, "/lesions/1/measurements")[1])
    found = {row["name"]: (row["value"], row["unit"]) for row in rows}
    assert found["Soft volume"] == (f"{store.mask.volume_ml:.3f}", "ml")
    assert {unit for _, unit in found.values()} == {"ml", "mm", "HU", "mg"}


@pytest.mark.parametrize("plane", ["axial", "coronal", "sagittal"])
def test_a_picture_of_each_plane_is_drawn_without_scripts(server, plane):
    status, body, headers = get(server, f"/lesions/1/pictures/{plane}.png")
    assert (status, headers["Content-Type"]) == (200, "image/png")
    picture = np.asarray(Image.open(io.BytesIO(body)).convert("RGB")).astype(int)
    coloured = picture.max(axis=2) - picture.min(axis=2) > 60
    assert coloured.mean() > 0.005


def test_the_page_without_scripts_shows_every_plane_of_the_lesion(server, store):
    status, body, _ = get(server, "/lesions/1/plain")
    page = body.decode()
    assert status == 200
    assert "Research, not for diagnosis" in page
    assert "the egg is drawn, not computed" in page
    planes = int((store.mask.alpha.array >= 0.25).any(axis=(1, 2)).sum())
    pictures = re.findall(r'src="(/lesions/1/pictures/axial\.png\?at=\d+)"', page)
    assert len(pictures) == planes
    assert get(server, pictures[-1])[0] == 200


def test_another_method_is_computed_on_the_same_lattice(server, store):
    drawn = unpacked(get(server, "/lesions/1/methods/closed-form+")[1])
    assert (drawn["method"], drawn["quantity"]) == ("closed-form+", "density-weighted")
    own = store.mask.alpha.array
    other = np.zeros(own.shape)
    for index, value in np.ndenumerate(drawn["alpha"].array):
        at = np.add(index, drawn["alpha"].offset)
        if ((at >= 0) & (at < own.shape)).all():
            other[tuple(at)] = value / 255
    both = np.minimum(own, other).sum() / np.maximum(own, other).sum()
    assert both > 0.5


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("/lesions/77", "found no lesion 77"),
        ("/lesions/1/methods/guess", "known are: "),
        ("/lesions/1/pictures/oblique.png", "known are: axial"),
        ("/lesions/1/pictures/axial.png?at=9999", "found no axial plane"),
        ("/lesions/1/pictures/axial.png?at=%00x", "found no axial plane"),
        ("/lesions/77/volume", "found no lesion 77"),
    ],
)
def test_what_is_not_there_is_said(server, path, words):
    status, body, headers = get(server, path)
    assert status == 404
    assert words in body.decode()
    assert headers["Content-Type"] == "application/json"
    status, body, headers = get(server, path, accept="text/html")
    assert status == 404
    assert headers["Content-Type"].startswith("text/html")


@pytest.mark.parametrize(
    "path",
    [
        "/lesions/x",
        "/lesions/-1",
        f"/lesions/{2**31}",
        f"/lesions/{'9' * 5000}/volume",
        "/lesions/1/../../etc/passwd",
    ],
)
def test_addresses_of_other_forms_are_nobodys(server, path):
    assert get(server, path)[0] == 404


def test_a_lesion_without_a_soft_mask_says_how_it_stands(tmp_path):
    store = lesion_store(tmp_path)
    with store.database.write() as session:
        lesion = session.get_one(Lesion, 1)
        lesion.soft_mask_path, lesion.state = None, LesionState.REFUSED
        lesion.reason = "the mark lies outside"
    with PageServer(store.database) as server:
        status, body, _ = get(server, "/lesions/1", accept="text/html")
    assert status == 404
    assert "it is refused: the mark lies outside" in body.decode()
    store.database.close()


def test_a_ct_that_is_gone_from_the_disk_is_said_and_logged(tmp_path, caplog):
    store = lesion_store(tmp_path)
    for file in (tmp_path / "instances").iterdir():
        file.unlink()
    with PageServer(store.database) as server:
        status, body, _ = get(server, "/lesions/1/volume")
    assert (status, b"cannot be read" in body) == (503, True)
    assert "web.not_read" in caplog.text
    store.database.close()


def test_nobody_but_a_viewer_sees_anything(store):
    with PageServer(store.database, roles=("operator",)) as server:
        for path in (
            "", "/plain", "/volume", "/slices", "/measurements", "/methods/closed-form",
            "/pictures/axial.png",
        ):  # fmt: skip
            assert get(server, f"/lesions/1{path}")[0] == 403
        assert server.looks == []


def test_every_look_is_told_with_who_from_where_and_which_study(store):
    with PageServer(store.database) as server:
        for path in ("", "/plain", "/volume", "/slices", "/measurements", "/pictures/axial.png"):
            before = len(server.looks)
            assert get(server, f"/lesions/1{path}")[0] == 200
            (look,) = server.looks[before:]
            assert (look.user, look.address, look.action) == ("reader", "127.0.0.1", "read")
            assert look.study_instance_uid == store.study_instance_uid


def test_scripts_are_small_and_name_no_other_machine():
    scripts = sorted(STATIC.glob("*.js"))
    assert sum(path.stat().st_size for path in scripts) <= MOST_BYTES
    named = [
        (path.name, found)
        for path in (*STATIC.iterdir(), *TEMPLATES.glob("lesion*.j2"))
        for found in re.findall(r"(?:https?:)?//[\w.-]+\.\w+[^\s\"']*", path.read_text())
        if "www.w3.org/2000/svg" not in found
    ]
    assert named == []


def test_every_script_is_loaded_ahead():
    """A browser that finds modules one by one asks for each after the one before."""
    page = (TEMPLATES / "lesion.html.j2").read_text()
    for path in STATIC.glob("*.js"):
        assert f'"{path.stem}"' in page or f"/{path.name}" in page
