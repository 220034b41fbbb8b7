"""The statement is the one that the command prints, and leaves out nothing that runs."""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path

import pytest
from pydantic import BaseModel
from typer.testing import CliRunner

from dicomnode.commands import app
from dicomnode.conformance import ai_results, iod_modules, states, statuses
from dicomnode.conformance.specimens import ASSESSMENT, REFUSAL, specimens
from dicomnode.conformance.statement import statement
from dicomnode.receive import command_sets, commitment, encoded, upper_layer
from dicomnode.receive.upper_layer import Rejection
from dicomnode.results.ladder import LADDER
from dicomnode.settings import NodeSettings
from tests.dicomnode.conformance.published import STATEMENT, published_tables, tables_of

ROOT = Path(__file__).parents[3]
RECEIVING = ("receive/intake.py", "receive/conversation.py", "receive/header.py")
COMMITTING = ("receive/commitment.py", "commit/provider.py", "deliver/commitment_reports.py")


def run(*arguments: object, **environment: str):
    return CliRunner().invoke(app, ["conformance", *map(str, arguments)], env=environment)


def without_versions(text: str) -> str:
    """The rows that change with each release."""
    return re.sub(r"(?m)^\| (Implementation Version Name|Software version) \|.*$", "", text)


def test_the_published_statement_is_what_the_command_prints():
    printed = run(DICOMNODE_LISTEN__PORT="11999")  # the environment is of this machine
    assert printed.exit_code == 0
    published = STATEMENT.read_text(encoding="utf-8")
    assert without_versions(printed.stdout) == without_versions(published), (
        "write it anew: dicomnode conformance > docs/conformance.md"
    )


def test_no_section_is_empty():
    lines = STATEMENT.read_text(encoding="utf-8").splitlines()
    said = [line for line in lines if line and not line.startswith("<!--")]
    levels = [len(line) - len(line.lstrip("#")) if line.startswith("#") else 0 for line in said]
    assert levels[-1] == 0
    for here, following, line in zip(levels, levels[1:], said, strict=False):
        # A heading is followed by text, or by the first heading below it.
        assert not here or following == 0 or following > here, line
    assert said[0].startswith("# ")


SITE = """
[listen]
ae_title = "SOFTMASK1"
port = 11113
calling_ae_titles = ["PACS", "CT|1"]

[store]
database_url = "postgresql+psycopg://user:secret0@db/node"

[[destinations]]
name = "web"
kind = "stow-rs"
url = "https://reader:secret1@pacs.example.org/dicom-web?token=secret2"
headers = { Authorization = "Bearer secret3" }

[[destinations]]
name = "pacs"
ae_title = "PACS"
host = "pacs.example.org"
port = 104
results = ["band-seg", "report"]
commit = true

[[sources]]
name = "ARCHIVE"
kind = "c-get"
ae_title = "PACS"
host = "pacs.example.org"
port = 104
"""


@pytest.fixture
def site(tmp_path) -> Path:
    path = tmp_path / "node.toml"
    path.write_text(SITE)
    return path


def test_the_tables_are_those_of_a_site(site):
    printed = run("--config", site)
    assert printed.exit_code == 0, printed.output
    found = tables_of(printed.stdout)
    acceptor = {row["Parameter"]: row["As acceptor"] for row in found["associations"]}
    assert acceptor["AE title"] == "SOFTMASK1"
    assert acceptor["Calling AE titles that are let in"] == "PACS, CT\\|1"
    here = {row["Parameter"]: row["Here"] for row in found["parameters"]}
    assert here["[listen] port"] == "11113"
    assert here["[store] database_url"] == "set"
    peers = {row["Name"]: row for row in found["peers"]}
    assert peers.keys() == {"web", "pacs", "ARCHIVE"}
    assert peers["pacs"]["Address"] == "PACS@pacs.example.org:104"
    assert "band-seg, report" in peers["pacs"]["What"]
    assert "One port for listening: 11113" in printed.stdout


def test_proposals_are_those_to_the_peers_of_a_site(site):
    found = tables_of(run("--config", site).stdout)
    proposed = {}
    for row in found["proposed-contexts"]:
        proposed.setdefault(row["Activity"], set()).add(row["SOP class"])
    assert proposed.keys() == {
        "check pacs",
        "deliver to pacs",
        "probe pacs",
        "ask pacs to commit",
        "check ARCHIVE",
        "retrieve from ARCHIVE",
        "report storage commitment",
    }
    assert proposed["deliver to pacs"] == {"Segmentation Storage", "Comprehensive 3D SR Storage"}
    roles = {row["SOP class"]: (row["SCU"], row["SCP"]) for row in found["network-services"]}
    assert roles["Comprehensive 3D SR Storage"] == ("Yes", "Yes")
    assert "Parametric Map Storage" not in roles
    assert "Study Root Query/Retrieve Information Model - MOVE" not in roles


def test_nothing_is_proposed_beside_what_is_listed():
    """All associations are opened in one place, with what `proposed_contexts` gives."""
    openers = {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "dicomnode").rglob("*.py")
        if re.search(r"add_requested_context|\.associate\(", path.read_text(encoding="utf-8"))
    }
    assert openers == {"dicomnode/association.py"}


def test_no_state_is_left_out():
    for meanings in states.MEANINGS.values():
        assert meanings.keys() == set(type(next(iter(meanings))))


def test_no_secret_is_printed(site):
    for arguments in ((), ("--json",)):
        printed = run("--config", site, *arguments)
        assert printed.exit_code == 0
        assert "secret" not in printed.output


def test_one_table_and_json():
    printed = run("--table", "transfer-syntaxes")
    assert tables_of(printed.stdout).keys() == {"transfer-syntaxes"}
    given = json.loads(run("--table", "peers", "--json").stdout)
    assert given == {"peers": []}
    names = run("--table", "list").stdout.split()
    assert set(names) == published_tables().keys()
    unknown = run("--table", "nothing")
    assert unknown.exit_code == 2
    assert "transfer-syntaxes" in unknown.output


def test_every_table_is_in_the_document():
    assert set(run("--table", "list").stdout.split()) == set(
        re.findall("<!-- table: (.*) -->", statement())
    )


def test_every_kind_of_object_is_described():
    found = published_tables()
    kinds = {row["Object"] for row in found["created-objects"]}
    assert kinds == LADDER.keys() | {REFUSAL, ASSESSMENT}
    for kind in kinds:
        assert iod_modules.knows(str(specimens().made[kind].SOPClassUID))
        assert found[f"attributes-{kind}"]


def test_attributes_are_said_to_come_from_where_they_do():
    found = published_tables()
    common = {row["Attribute"]: row for row in found["attributes-common"]}
    assert common["Patient ID"]["Source"] == "COPY"
    assert common["Patient's Birth Date"]["Presence"] == "VNAP"
    assert common["SOP Instance UID"]["Source"] == "AUTO"
    seg = {row["Attribute"]: row for row in found["attributes-fractional-seg"]}
    assert seg["Segmentation Type"]["Value"] == "FRACTIONAL"
    assert seg["Segmentation Fractional Type"]["Source"] == "AUTO", "it follows from the method"
    assert seg["Series Number"]["Source"] == "CONFIG"
    assert seg["Frame of Reference UID"]["Source"] == "COPY"
    assert seg["Series Description"]["Source"] == "AUTO", "it names the method"
    assert seg["Lossy Image Compression Ratio"]["Source"] == "COPY"
    contours = {row["Attribute"]: row for row in found["attributes-iso-contours"]}
    assert contours["Body Part Examined"]["Source"] == "COPY"
    assert contours["Rescale Slope"]["Source"] == "COPY"
    capture = {row["Attribute"]: row for row in found["attributes-secondary-capture"]}
    assert capture["Image Orientation (Patient)"]["Source"] == "COPY"
    # Twice in one second, and in two: what is said must not depend on that.
    assert seg["Contributing Equipment Sequence"]["Source"] == "AUTO"


def test_every_parameter_is_listed():
    listed = {row["Parameter"] for row in published_tables()["parameters"]}
    for section, field in NodeSettings.model_fields.items():
        default = field.get_default(call_default_factory=True)
        if isinstance(default, BaseModel):
            assert {f"[{section}] {name}" for name in type(default).model_fields} <= listed


def refused_with(paths: tuple[str, ...], *functions: str) -> set[int]:
    """Statuses that are given as the first argument of a call, by their names in the code."""
    known = {
        name: value
        for module in (command_sets, commitment, encoded)
        for name, value in vars(module).items()
        if isinstance(value, int) and name.isupper()
    }
    found = set()
    for path in paths:
        for node in ast.walk(ast.parse((ROOT / "dicomnode" / path).read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and getattr(node.func, "id", None) in functions:
                name = getattr(node.args[0], "id", None)
                if name is not None:
                    found.add(known[name])
    return found


def test_no_answer_of_the_node_is_left_out():
    stored = refused_with((*RECEIVING, "receive/encoded.py"), "Refused", "InvalidInstance")
    assert len(stored) >= 5
    assert stored <= statuses.STORED.keys()
    committed = refused_with(COMMITTING, "Refused")
    assert len(committed) >= 8
    assert committed <= statuses.COMMITTED.keys()
    assert statuses.COMMITTED.keys() - committed == {command_sets.SUCCESS}
    rejections = {one for one in vars(upper_layer).values() if isinstance(one, Rejection)}
    assert rejections == {one for one, _ in statuses.REJECTIONS}


@pytest.mark.parametrize("claim", ai_results.CLAIMS, ids=lambda claim: claim.test)
def test_what_is_claimed_of_ai_results_is_held_by_a_test(claim):
    path, _, name = claim.test.partition("::")
    tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
    assert name in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
