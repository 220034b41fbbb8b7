"""The operator's pages in Chromium: signing in, acting by keyboard, renewal, sizes, signing out."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
from sqlalchemy import select, update

from benchmarks.web_pages import serve
from dicomnode.store.states import LesionState
from dicomnode.store.tables import JobTrace, Lesion
from dicomnode.web.access.tokens import TokenFile
from tests.interop.peers import need, need_folder

FOLDER = Path(__file__).parent / "ohif"


@pytest.mark.interop
def test_an_operator_at_a_browser(tmp_path):
    node, chromium = need("node"), need("chromium")
    need_folder(FOLDER / "node_modules", "npm ci --prefix tests/interop/ohif")
    service, database = serve(tmp_path, lesions=60, instances=3, loopback_role="none")
    token = TokenFile(tmp_path / "store" / "web-tokens").add("olaf", "administrator")
    address = f"http://127.0.0.1:{service.port}"
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    try:
        with subprocess.Popen(
            [node, FOLDER / "operate.mjs", chromium, address, token, pictures],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        ) as browser:  # fmt: skip
            if browser.stdout.readline() == "renew\n":
                with database.write() as session:
                    ready = Lesion.state == LesionState.READY
                    session.execute(update(Lesion).where(ready).values(state=LesionState.WAITING))
            told, complaints = browser.communicate(timeout=300)
        assert browser.returncode == 0, complaints
        seen = json.loads(told)
        with database.read() as session:
            (trace,) = session.scalars(select(JobTrace)).all()
    finally:
        service.stop()
        database.close()
    assert seen["errors"] == []
    assert [url for url in seen["requests"] if not url.startswith((address, "data:"))] == []
    assert seen["asked"] == seen["signedOut"] == "/sign-in"
    assert seen["cookies"] == [{"name": "dicomnode", "httpOnly": True, "sameSite": "Strict"}]
    assert seen["failed"] == 3
    assert seen["acted"] == "1 changed, 0 left as they are."
    assert (trace.who, trace.action, trace.why) == ("olaf (web)", "retry", "more memory now")
    assert (seen["before"], seen["after"]) == ("4", "7")
    assert seen["overflow"] == []
    assert len(list(pictures.iterdir())) == 21
