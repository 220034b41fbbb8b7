"""A build of OHIF is served as it is, configured for the node, and nothing beside it."""

from __future__ import annotations

import base64
import hashlib
import json

import pytest
import requests
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.authentication import AuthenticationMiddleware

from dicomnode.settings.web import WebSettings
from dicomnode.web.ohif import NotOhif, OhifBuild
from dicomnode.web.service import WebService
from tests.dicomnode.web.dicomweb.served import Badge

INDEX = '<script>window.A=1</script><script src="/app-config.js"></script><div id="root"></div>'


@pytest.fixture
def address(tmp_path):
    dist = tmp_path / "dist"
    (dist / "assets").mkdir(parents=True)
    (dist / "index.html").write_text(INDEX)
    (dist / "app-config.js").write_text("window.config = {elsewhere: 1};")
    (dist / "sw.js").write_text("importScripts('https://elsewhere.example.org/')")
    (dist / "app.bundle.0f6159c501addfe9.js").write_text("1")
    (dist / "assets" / "codec.wasm").write_bytes(b"\0asm")
    (tmp_path / "secret.txt").write_text("secret")
    (dist / "link.txt").symlink_to(tmp_path / "secret.txt")
    application = Starlette(
        routes=OhifBuild(dist).routes(),
        middleware=[Middleware(AuthenticationMiddleware, backend=Badge())],
    )
    service = WebService(WebSettings(port=0), application)
    service.start()
    yield f"http://127.0.0.1:{service.port}"
    service.stop()


def get(url: str, badge: str = "anna viewer") -> requests.Response:
    return requests.get(url, headers={"X-Badge": badge}, timeout=30)


def test_pages_are_the_one_page_with_a_policy_that_knows_its_scripts(address):
    digest = base64.b64encode(hashlib.sha256(b"window.A=1").digest()).decode()
    for path in ("/", "/index.html", "/viewer?StudyInstanceUIDs=1.2", "/segmentation/dicomweb"):
        answer = get(address + path)
        assert (answer.status_code, answer.text) == (200, INDEX)
        policy = answer.headers["Content-Security-Policy"]
        assert f"'sha256-{digest}'" in policy
        assert "http" not in policy
        assert get(address + path, badge="").status_code == 403


def test_its_configuration_is_that_of_the_node(address):
    script = get(f"{address}/app-config.js").text
    configuration = json.loads(script.removeprefix("window.config = ").rstrip().rstrip(";"))
    (source,) = configuration["dataSources"]
    assert source["configuration"]["qidoRoot"] == "/dicom-web"
    assert "elsewhere" not in script
    assert "http" not in script


def test_files_have_their_types_and_what_is_named_by_its_content_is_kept(address):
    bundle = get(f"{address}/app.bundle.0f6159c501addfe9.js")
    assert bundle.headers["Content-Type"].startswith("text/javascript")
    assert "immutable" in bundle.headers["Cache-Control"]
    codec = get(f"{address}/assets/codec.wasm")
    assert codec.headers["Content-Type"] == "application/wasm"
    assert codec.headers["Cache-Control"] == "no-cache"


@pytest.mark.parametrize(
    "path",
    ["/sw.js", "/none.js", "/..%2fsecret.txt", "/%2e%2e/secret.txt", "/link.txt", "/a%00.js"],
)
def test_nothing_else_is_served(address, path):
    answer = get(address + path)
    assert answer.status_code == 404
    assert "secret" not in answer.text


def test_a_folder_that_holds_no_ohif_is_refused(tmp_path):
    with pytest.raises(NotOhif, match=r"found no index\.html"):
        OhifBuild(tmp_path)
    (tmp_path / "index.html").write_text("<p>another page</p>")
    with pytest.raises(NotOhif, match=r"no app-config\.js"):
        OhifBuild(tmp_path)
