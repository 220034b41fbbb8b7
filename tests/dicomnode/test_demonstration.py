"""The demonstration shows what it says: every kind of nodule comes back, sound and of its size."""

from __future__ import annotations

import json
import urllib.request
from dataclasses import dataclass
from pathlib import Path

import pytest

from dicomnode.deliver.ladder_choice import AUTOMATIC
from dicomnode.demo.demonstration import Demonstration, demonstrate
from dicomnode.demo.kept import NotReplaced, configuration_of, make_room
from dicomnode.node import Node
from dicomnode.results.ladder import LADDER
from dicomnode.settings import load_settings
from pipelines.phantom import chest

JUXTA_PLEURAL = "juxta-pleural"


@dataclass(frozen=True)
class Shown:
    demonstration: Demonstration
    said: list[str]
    out: Path


@pytest.fixture(scope="module")
def shown(tmp_path_factory) -> Shown:
    out = tmp_path_factory.mktemp("demo") / "demo-out"
    said: list[str] = []
    return Shown(demonstrate(1, said.append, make_room(out)), said, out)


@pytest.mark.timeout(300)
def test_every_nodule_comes_back_sound_and_of_about_its_volume(shown):
    verified = shown.demonstration.nodules
    assert {one.kind for one in verified} == {n.kind.value for n in chest(1).nodules}
    assert len(verified) == len({one.kind for one in verified})
    assert JUXTA_PLEURAL in {one.kind for one in verified}
    assert {one.kind: one.problems for one in verified if one.problems} == {}
    for one in verified:
        allowed = 0.25 if one.kind == JUXTA_PLEURAL else 0.15
        assert one.volume_ml == pytest.approx(one.true_volume_ml, rel=allowed), one.kind
        assert one.panel.alpha.max() > 0.5
    assert any("CT slices" in line for line in shown.said)
    of_lesions = [n for n in AUTOMATIC if LADDER[n].of == "lesion" and n != "fractional-seg"]
    of_series = [n for n in AUTOMATIC if LADDER[n].of == "series"]
    expected = dict.fromkeys(of_lesions, len(verified)) | dict.fromkeys(of_series, 1)
    assert shown.demonstration.companions == expected


@pytest.mark.timeout(300)
def test_what_it_leaves_behind_is_a_node_whose_page_shows_every_lesion(shown, monkeypatch):
    monkeypatch.setenv("DICOMNODE_WEB__PORT", "0")  # another node may have the one in the file
    settings = load_settings(configuration_of(shown.out))
    assert settings.web.port == 0
    assert settings.web.host == "127.0.0.1"
    with Node(settings, configuration_of(shown.out)) as node:

        def asked(path: str) -> bytes:
            with urllib.request.urlopen(f"http://127.0.0.1:{node.web_port}{path}") as answer:
                return answer.read()

        rows = json.loads(asked("/api/lesions"))["rows"]
        assert {row["state"] for row in rows} == {"published"}
        assert len(rows) == len(shown.demonstration.nodules)
        for row in rows:
            said = json.loads(asked(f"/lesions/{row['number']}/measurements"))
            assert any(one["unit"] in ("ml", "cm3", "mm3") for one in said), said
        with pytest.raises(NotReplaced, match="a node serves"):
            make_room(shown.out)


def test_the_demonstration_before_gives_way_and_nothing_else_does(tmp_path):
    out = tmp_path / "demo-out"
    store = make_room(out)
    (store / "instances").mkdir(parents=True)
    assert make_room(out) == store
    assert not store.exists()
    (tmp_path / "mine" / "store").mkdir(parents=True)
    with pytest.raises(NotReplaced, match="store is no demonstration's"):
        make_room(tmp_path / "mine")
    (tmp_path / "node.toml").write_text("[store]\n")
    with pytest.raises(NotReplaced, match=r"node\.toml is no demonstration's"):
        make_room(tmp_path)
    assert (tmp_path / "node.toml").read_text() == "[store]\n"
