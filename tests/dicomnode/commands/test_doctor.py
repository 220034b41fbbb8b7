"""``dicomnode doctor`` finds what is wrong, and says what mends it."""

from __future__ import annotations

import json
import os
import socket
import sqlite3
from pathlib import Path

import pytest
from typer.testing import CliRunner

from dicomnode.commands import app
from dicomnode.demo.stand_in_pacs import StandInPacs
from dicomnode.doctor import machine, programs
from dicomnode.doctor.finding import Finding, Verdict
from dicomnode.doctor.left_alone import look_at_alerts
from dicomnode.doctor.machine import look_at_clock, look_at_disk, look_at_ports
from dicomnode.doctor.parts import look_at_parts, parts_of
from dicomnode.doctor.programs import look_at_networks
from dicomnode.doctor.state import look_at_state
from dicomnode.node import Node
from dicomnode.settings import NodeSettings, load_settings
from dicomnode.store.database import Database
from dicomnode.store.lock import ROLES, Role
from pipelines.networks.options import Place


def configuration(tmp_path: Path, port: int, pacs_port: int | None = None, rule: str = "") -> Path:
    store = tmp_path / "store"
    store.mkdir(exist_ok=True)
    text = (
        f'[store]\npath = "{store}"\nreserve_mb = 1\n'
        f'[listen]\nhost = "127.0.0.1"\nport = {port}\n[segment]\nprocesses = 1\n'
    )
    if pacs_port is not None:
        text += (
            '[[destinations]]\nname = "pacs"\nae_title = "STANDINPACS"\nhost = "127.0.0.1"\n'
            f"port = {pacs_port}\nconnect_timeout_s = 2\n"
            f'[[rules]]\nname = "all"\ndestinations = ["pacs"]\n{rule}'
        )
    path = tmp_path / "node.toml"
    path.write_text(text)
    return path


def doctor(path: Path, *arguments: str) -> tuple[int, dict[str, dict[str, str]]]:
    ran = CliRunner().invoke(app, ["doctor", "--json", *arguments, "--config", str(path)])
    return ran.exit_code, {line["check"]: line for line in json.loads(ran.stdout)}


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return taken.getsockname()[1]


def of(findings, check: str) -> Finding:
    (found,) = [finding for finding in findings if finding.check == check]
    return found


def settings(tmp_path: Path, **changes: object) -> NodeSettings:
    return NodeSettings(**({"store": {"path": tmp_path}} | changes))


def test_a_node_that_runs_is_well_and_one_whose_peer_is_away_is_not(tmp_path):
    with StandInPacs(tmp_path / "pacs") as pacs:
        path = configuration(tmp_path, free_port(), pacs.port)
        with Node(load_settings(path)):
            code, lines = doctor(path)
    failing = {name: line for name, line in lines.items() if line["verdict"] == "fail"}
    assert (code, failing) == (0, {})
    assert lines["port [listen]"]["words"].endswith("the node that runs listens")
    assert lines["destination pacs"]["verdict"] == "pass"
    assert lines["destination pacs takes"]["words"].startswith("1 of the")
    for name in ("python", "libraries", "disk speed", "database integrity", "database version"):
        assert lines[name]["verdict"] in ("pass", "warn"), name
    code, lines = doctor(path)
    assert code == 1
    assert lines["destination pacs"]["verdict"] == "fail"
    assert "is free, and nothing runs" in lines["port [listen]"]["words"]
    code, lines = doctor(path, "--no-peers")
    assert code == 0
    assert "destination pacs" not in lines
    ran = CliRunner().invoke(app, ["doctor", "--no-peers", "--config", str(path)])
    assert "pass  configuration: " in ran.output


def test_a_node_that_goes_by_other_rules_than_the_file_is_found(tmp_path):
    with StandInPacs(tmp_path / "pacs") as pacs:
        path = configuration(tmp_path, free_port(), pacs.port)
        with Node(load_settings(path), path) as node:
            assert doctor(path, "--no-peers")[1]["rules in force"]["verdict"] == "pass"
            path.write_text(path.read_text().replace('name = "all"', 'name = "others"'))
            other = doctor(path, "--no-peers")[1]["rules in force"]
            node.reload_rules(path)
            taken = doctor(path, "--no-peers")[1]["rules in force"]
            path.write_text(path.read_text().replace("reserve_mb = 1", "reserve_mb = 2"))
            node.reload_rules(path)
            restart = doctor(path, "--no-peers")[1]["rules in force"]
    assert (other["verdict"], taken["verdict"], restart["verdict"]) == ("warn", "pass", "warn")
    assert "other rules than the file's" in other["words"]
    assert "store" in restart["words"]


def test_who_is_told_of_nothing_and_secrets_that_are_wrong_are_found(tmp_path, monkeypatch):
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)

    def found(**webhook: object) -> list[Finding]:
        alerts = {"webhook": {"url": "https://chat.example.org/"} | webhook} if webhook else {}
        return list(look_at_alerts(settings(tmp_path, alerts=alerts)))

    assert [(one.verdict, one.check) for one in found()] == [(Verdict.WARN, "alerts")]
    token = tmp_path / "token"
    assert found(token_file=token)[0].verdict is Verdict.FAIL
    token.write_text("secret-of-the-test")
    token.chmod(0o644)
    assert found(token_file=token)[0].verdict is Verdict.WARN
    token.chmod(0o640)
    (told,) = found(token_file=token)
    assert (told.verdict, told.words) == (Verdict.PASS, "go by webhook")
    (of_systemd,) = found(token_file="no-such-credential")
    assert of_systemd.verdict is Verdict.PASS


def test_a_destination_that_counts_as_away_is_named(made):
    assert not [one for one in look_at_state(made).findings if one.check == "circuits"]
    change(
        made,
        "INSERT INTO circuit (destination, state, failures, probes, changed_at) "
        "VALUES ('pacs', 'open', 5, 0, 0)",
    )
    assert "pacs" in of(look_at_state(made).findings, "circuits").words


def test_looking_makes_nothing(tmp_path):
    path = configuration(tmp_path, free_port())
    code, lines = doctor(path)
    assert code == 1
    assert lines["rules"]["verdict"] == "fail"
    assert lines["database"]["verdict"] == "warn"
    assert list((tmp_path / "store").iterdir()) == []


def test_a_configuration_that_cannot_be_read_is_the_only_line(tmp_path):
    path = tmp_path / "node.toml"
    path.write_text("[listen]\nprot = 1\n")
    code, lines = doctor(path)
    assert code == 2
    assert list(lines) == ["configuration"]
    assert "2: listen.prot" in lines["configuration"]["words"]


def test_a_port_that_another_program_has_is_named(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as other:
        taken = other.getsockname()[1]
        found = list(
            look_at_ports(
                settings(tmp_path, listen={"host": "127.0.0.1", "port": taken}), running=()
            )
        )
    assert found[0].verdict is Verdict.FAIL
    assert str(taken) in found[0].words
    after = settings(tmp_path, listen={"host": "127.0.0.1", "port": taken}, web={"port": 0})
    listen, web = look_at_ports(after, running=ROLES)
    assert (listen.verdict, web.verdict) == (Verdict.FAIL, Verdict.WARN)


@pytest.mark.parametrize(
    ("state", "ahead_s", "verdicts"),
    [
        (0, -5, [Verdict.PASS]),
        (5, -5, [Verdict.WARN]),
        (None, -5, [Verdict.WARN]),
        (0, 3600, [Verdict.FAIL]),
    ],
)
def test_a_clock_that_nothing_keeps_or_that_is_behind_is_found(
    monkeypatch, state, ahead_s, verdicts
):
    monkeypatch.setattr(machine, "_kernel_clock", lambda: state)
    monkeypatch.setattr(machine.time, "time", lambda: 1e9)
    assert [found.verdict for found in look_at_clock(1e9 + ahead_s)] == verdicts


def test_the_kernel_says_how_its_clock_is():
    assert machine._kernel_clock() in (None, 0, 1, 2, 3, 4, 5)


def test_a_full_disk_and_one_that_cannot_be_written_are_found(tmp_path, monkeypatch):
    full = settings(tmp_path, store={"path": tmp_path, "reserve_mb": 10**9})
    assert of(look_at_disk(full), "disk space").verdict is Verdict.FAIL
    nowhere = settings(tmp_path, store={"path": tmp_path / "nowhere"})
    assert of(look_at_disk(nowhere), "store").verdict is Verdict.FAIL

    def refuse(**_named):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(machine.tempfile, "TemporaryFile", refuse)
    assert of(look_at_disk(settings(tmp_path)), "disk speed").verdict is Verdict.FAIL


@pytest.fixture
def made(tmp_path):
    """Settings of a store that has a database."""
    database = Database(f"sqlite:///{tmp_path / 'node.sqlite'}")
    database.upgrade()
    database.close()
    return settings(tmp_path)


def change(made: NodeSettings, statement: str) -> None:
    connection = sqlite3.connect(made.store.path / "node.sqlite")
    connection.execute(statement)
    connection.commit()
    connection.close()


def test_a_database_of_another_version_is_found(made):
    assert of(look_at_state(made).findings, "database version").verdict is Verdict.PASS
    change(made, "UPDATE alembic_version SET version_num = '0003'")
    assert of(look_at_state(made).findings, "database version").verdict is Verdict.WARN
    change(made, "UPDATE alembic_version SET version_num = '9999'")
    assert of(look_at_state(made).findings, "database version").verdict is Verdict.FAIL


def test_a_damaged_database_is_found(made):
    assert of(look_at_state(made).findings, "database integrity").verdict is Verdict.PASS
    change(
        made,
        "INSERT INTO finding (source_sop_instance_uid, item, lesion_id) VALUES ('1.2', '1', 77)",
    )
    assert of(look_at_state(made).findings, "database integrity").verdict is Verdict.FAIL
    (made.store.path / "node.sqlite").write_bytes(b"no database at all" * 1000)
    for name in ("node.sqlite-wal", "node.sqlite-shm"):
        (made.store.path / name).unlink(missing_ok=True)
    assert of(look_at_state(made).findings, "database").verdict is Verdict.FAIL


def test_a_lost_file_and_work_that_stands_are_found(made):
    change(
        made,
        "INSERT INTO instance (sop_instance_uid, sop_class_uid, study_instance_uid, "
        "series_instance_uid, transfer_syntax_uid, modality, body_part, study_description, "
        "series_description, image_type, calling_ae, called_ae, path, size, received_at, state) "
        "VALUES ('1.2', '1.2', '1.2', '1.2', '1.2', 'CT', '', '', '', '[]', '', '', "
        "'/nowhere/1.dcm', 1, 1000, 'held')",
    )
    change(
        made,
        "INSERT INTO lesion (mark_key, mark, source_sop_instance_uid, unsettled, state, warnings, "
        "attempts, waiting_since, changed_at) "
        "VALUES ('k', '{}', '1.2', 0, 'failed', '[]', 2, 0, 0)",
    )
    change(
        made,
        "INSERT INTO result (kind, sop_class_uid, sop_instance_uid, path, size, created_at) "
        "VALUES ('fractional-seg', '1.2', '1.3', '/nowhere', 1, 1000)",
    )
    for state in ("queued", "refused"):
        change(
            made,
            "INSERT INTO delivery (result_id, destination, state, attempts, due_at, changed_at) "
            f"VALUES (1, '{state}', '{state}', 1, 0, 0)",
        )
    report = look_at_state(made)
    assert report.newest_row == 1000
    assert of(report.findings, "files").verdict is Verdict.FAIL
    for check in ("lesions", "dead letters", "deliveries"):
        assert of(report.findings, check).verdict is Verdict.WARN, check


def test_weights_and_device_of_a_rules_network_are_told(tmp_path, monkeypatch):
    plain = settings(
        tmp_path,
        destinations=[{"name": "out", "kind": "folder", "path": str(tmp_path)}],
        rules=[{"name": "all", "method": "recist-net", "destinations": ["out"]}],
    )
    monkeypatch.setattr(programs, "place_of", lambda options: Place("cpu", "fp32"))
    found = list(look_at_networks(plain))
    assert of(found, "weights recist-net").verdict is Verdict.PASS
    assert of(found, "device").verdict is Verdict.WARN
    monkeypatch.setattr(programs, "problem_of", lambda name, folder: "no weights are there")
    assert of(look_at_networks(plain), "weights recist-net").verdict is Verdict.FAIL
    assert of(look_at_networks(settings(tmp_path)), "networks").verdict is Verdict.PASS


def test_a_library_that_is_missing_or_too_old_is_named(monkeypatch):
    have = programs._version_of
    monkeypatch.setattr(programs, "_version_of", lambda n: "0.1" if n == "pydicom" else have(n))
    assert of(programs.look_at_versions(), "library pydicom").verdict is Verdict.FAIL


def test_a_file_with_secrets_that_all_may_read_is_named(tmp_path):
    path = tmp_path / "node.toml"
    path.write_text(
        '[[destinations]]\nname = "web"\nkind = "stow-rs"\nurl = "https://pacs.example.org/x"\n'
        'headers = { Authorization = "Bearer hush" }\n'
    )
    for mode, verdict in ((0o644, "warn"), (0o640, "pass")):
        path.chmod(mode)
        _, lines = doctor(path, "--no-peers")
        assert lines["secrets"]["verdict"] == verdict
        assert "hush" not in json.dumps(lines)


def test_parts_that_run_on_their_own_are_told_of_one_by_one(tmp_path, monkeypatch):
    told = settings(tmp_path, listen={"host": "127.0.0.1", "port": 0}, segment={"stop_s": 0})

    def found() -> dict[str, Finding]:
        return {one.check: one for one in look_at_parts(told, parts_of(told))}

    assert found() == {}
    with Node(told):
        assert found()["parts"].words == "one process plays all"
    with Node(told, roles=[Role.WORKER]):
        assert {name: one.verdict for name, one in found().items()} == {
            "part receiver": Verdict.FAIL,
            "part worker": Verdict.PASS,
        }
        assert "`systemctl start dicomnode-receiver`" in found()["part receiver"].mend
        assert f"process {os.getpid()} since" in found()["part worker"].words
        monkeypatch.setattr("dicomnode.doctor.parts.VERSION", "9.9.9")
        assert found()["part worker"].verdict is Verdict.WARN
        assert "9.9.9 is installed" in found()["part worker"].words
    assert found() == {}


def test_a_database_server_that_is_away_says_why(tmp_path):
    pytest.importorskip("psycopg")
    url = f"postgresql+psycopg://node:secret0@127.0.0.1:{free_port()}/node"
    settings = NodeSettings(store={"path": str(tmp_path), "database_url": url})
    (found,) = look_at_state(settings).findings
    assert found.verdict is Verdict.FAIL
    assert "Connection refused" in found.words
    assert "server" in found.mend
    assert "secret0" not in found.words + found.mend
