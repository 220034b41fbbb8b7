"""The operator's pages over a store as a node would have it after some weeks."""

from __future__ import annotations

import json
import re
import time
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path

import pytest
from sqlalchemy import select
from starlette.applications import Starlette

from benchmarks.web_pages import ROOT, fill
from dicomnode.audit import InstancesAccessed, Participant, Query, StudyContent
from dicomnode.audit.service import AuditService, audit_trail
from dicomnode.routing.in_force import RulesInForce
from dicomnode.routing.rules import Rule
from dicomnode.rule_reload import RuleReload
from dicomnode.settings import NodeSettings
from dicomnode.store.database import Database
from dicomnode.store.states import CircuitState, DeliveryState, LesionState
from dicomnode.store.tables import Circuit, Delivery, JobTrace, Lesion
from dicomnode.timing import CallScheduler
from dicomnode.web.access.access import Access
from dicomnode.web.access.tokens import TokenFile
from dicomnode.web.look import Look
from dicomnode.web.operator.routes import operator_routes
from dicomnode.web.pages import static_files
from dicomnode.web.service import WebService
from pipelines.parameters import DEFAULT_METHOD

LESIONS = 40
STUDY = f"{ROOT}.3"
PAGES = ("/studies", f"/studies/{STUDY}", "/lesions", "/deliveries", "/destinations", "/rules",
         "/running", "/configuration", "/audit")  # fmt: skip
ADMINISTRATORS = PAGES[-2:]
SECRETS = ("Basic c2VjcmV0", "hunter2", "T000/B000/xyz")


@dataclass
class Pages:
    port: int
    database: Database
    settings: NodeSettings
    tokens: TokenFile
    looks: list[Look] = field(default_factory=list)

    def ask(self, path: str, role: str = "administrator", body=None, **headers: str):
        token = self.tokens.add(f"{role}-{len(self.tokens.all())}", role)
        headers = {k.replace("_", "-"): v for k, v in headers.items()}
        headers = {"Authorization": f"Bearer {token}"} | headers
        data = None if body is None else body.encode()
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}{path}", data, headers=headers
        )
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()

    def json(self, path: str, **asked):
        status, text = self.ask(path, **asked)
        assert status == 200, text
        return json.loads(text)


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    store = tmp_path_factory.mktemp("pages") / "store"
    store.mkdir()
    settings = NodeSettings(
        store={"path": store},
        web={"port": 0},
        alerts={
            "webhook": {"url": "https://hooks.example.org/T000/B000/xyz", "token_file": "key"},
            "email": {"host": "mail", "sender": "a@b", "to": ["c@d"], "username": "node",
                      "password_file": "/run/mail-password"},
        },
        destinations=[
            {"name": "pacs", "kind": "c-store", "host": "127.0.0.1", "port": 11112,
             "ae_title": "PACS"},
            {"name": "archive", "kind": "stow-rs", "url": "https://me:hunter2@web.example.org/d?k=1",
             "headers": {"Authorization": "Basic c2VjcmV0"}},
        ],
    )  # fmt: skip
    database = Database(settings.store.url)
    database.upgrade()
    fill(database, LESIONS, instances=3)
    tokens = TokenFile(store / "web-tokens")
    looks: list[Look] = []
    access = Access(settings.web, tokens)
    trail = AuditService(settings, database, CallScheduler())
    trail.start()
    application = Starlette(
        routes=[
            static_files(),
            *access.routes,
            *operator_routes(settings, database, looks.append, trail=trail.trail),
        ],
        middleware=list(access.middleware),
        exception_handlers=access.exception_handlers,
    )
    service = WebService(settings.web, application)
    service.start()
    yield Pages(service.port, database, settings, tokens, looks)
    service.stop()
    trail.stop()
    database.close()


class Outline(HTMLParser):
    """What of a page matters to who cannot see it, and to the Content-Security-Policy."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def all(self, *names: str):
        return [attributes for tag, attributes in self.tags if tag in names]


@pytest.mark.parametrize("path", PAGES)
def test_a_page_can_be_read_without_eyes_and_without_scripts(pages, path):
    status, text = pages.ask(path)
    assert status == 200, text
    outline = Outline(text)
    assert len(outline.all("h1")) == len(outline.all("main")) == 1
    assert "Research, not for diagnosis" in text
    assert all("scope" in found for found in outline.all("th"))
    ids = [attributes["id"] for _, attributes in outline.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    for tag, attributes in outline.tags:
        assert not [name for name in attributes if name == "style" or name.startswith("on")], tag
        for name in ("src", "href", "action"):
            assert not re.match("https?:|//|javascript:", attributes.get(name) or "")
    assert all("src" in found for found in outline.all("script"))
    labels = text.count("<label")
    named = [f for f in outline.all("input", "select")
             if f.get("type") != "hidden" and "aria-label" not in f]  # fmt: skip
    assert len(named) == labels


@pytest.mark.parametrize("path", PAGES)
def test_each_page_has_a_twin_that_the_description_describes(pages, path):
    description = pages.json("/openapi.json")
    template = "/api/studies/{uid}" if STUDY in path else f"/api{path}"
    operation = description["paths"][template]["get"]
    schema = operation["responses"]["200"]["content"]["application/json"]["schema"]
    found = pages.json(f"/api{path}")
    name = schema["$ref"].rsplit("/", 1)[1]
    assert {*found} == {*description["components"]["schemas"][name]["properties"]}
    for reference in re.findall(r'"#/components/schemas/(\w+)"', json.dumps(description)):
        assert reference in description["components"]["schemas"]
    for parameter in operation["parameters"]:
        for value in parameter["schema"].get("enum", []):
            assert pages.ask(f"/api{path}?{parameter['name']}={value}")[0] == 200


def test_a_list_is_paged_sorted_and_filtered(pages):
    everything = pages.json("/api/lesions?size=500&sort=number")
    assert everything["total"] == len(everything["rows"]) == LESIONS
    numbers = [row["number"] for row in everything["rows"]]
    assert numbers == sorted(numbers)
    third = pages.json("/api/lesions?size=10&page=3&sort=number")
    assert [row["number"] for row in third["rows"]] == numbers[20:30]
    down = pages.json("/api/lesions?size=500&sort=-volume")["rows"]
    volumes = [row["volume_ml"] for row in down if row["volume_ml"] is not None]
    assert volumes == sorted(volumes, reverse=True)
    failed = pages.json("/api/lesions?state=failed")
    assert {row["state"] for row in failed["rows"]} == {"failed"}
    assert failed["total"] == sum(row["state"] == "failed" for row in everything["rows"])
    of_study = pages.json(f"/api/lesions?study={STUDY}")
    assert [row["number"] for row in of_study["rows"]] == [13, 14, 15, 16]
    assert pages.json("/api/lesions?rule=nobody")["rows"] == []
    assert pages.json("/api/lesions?page=99")["rows"] == []


def test_studies_tell_what_became_of_their_marks(pages):
    found = pages.json("/api/studies?size=500")
    assert found["total"] == len(found["rows"]) == LESIONS // 4
    (row,) = [row for row in found["rows"] if row["study_instance_uid"] == STUDY]
    assert sum(row["states"].values()) == row["lesions"] == 4
    assert row["states"]["waiting"] == 1
    assert (row["instances"], row["description"]) == (4, "CT abdomen")
    chest = pages.json("/api/studies?q=CHEST%20with")
    assert {row["description"] for row in chest["rows"]} == {"CT chest with contrast"}
    assert pages.json(f"/api/studies?q={STUDY}")["total"] == 1
    assert pages.json("/api/studies?q=%25")["total"] == 0
    with_failed = pages.json("/api/studies?state=failed&sort=-failed")
    assert all(row["states"]["failed"] for row in with_failed["rows"])


def test_rules_are_shown_with_the_method_and_destinations_that_they_leave_to_the_default(pages):
    said = (
        Rule(name="all that is there"),
        Rule(name="liver", method="closed-form", destinations=("pacs", "archive")),
    )
    settings = pages.settings.model_copy(update={"rules": said})
    RuleReload(settings, RulesInForce(said)).started(Path("node.toml"))
    rows = {row["name"]: row for row in pages.json("/api/rules")["rows"]}
    plain, liver = rows["all that is there"], rows["liver"]
    assert (plain["method"], plain["destinations"]) == (DEFAULT_METHOD, [])
    assert (liver["method"], liver["destinations"]) == ("closed-form", ["pacs", "archive"])
    assert {(row["in_force"], row["method"]) for row in rows.values() if row["lesions"]} == {
        (False, None)
    }
    status, text = pages.ask("/rules")
    assert status == 200
    assert f"<td>{DEFAULT_METHOD}</td>" in text
    assert "<td>pacs, archive</td>" in text


def test_a_study_tells_the_way_of_its_lesions_and_why(pages):
    found = pages.json(f"/api/studies/{STUDY}")
    assert [row["number"] for row in found["lesions"]] == [13, 14, 15, 16]
    ways = {row["state"]: [step["standing"] for step in row["way"]] for row in found["lesions"]}
    assert ways["waiting"] == ["done", "now", "not", "not", "not", "not"]
    assert ways["ready"] == ["done", "done", "now", "not", "not", "not"]
    assert ways["segmented"] == ["done", "done", "done", "now", "not", "not"]
    assert any("slices of its CT are missing" in row["reason"] for row in found["lesions"]
               if row["reason"])  # fmt: skip
    assert any(line.startswith(STUDY) for line in found["said"])
    assert pages.ask("/studies/1.2.3")[0] == 404
    assert pages.ask("/studies/..%2f..%2fetc")[0] == 404


def test_a_delivery_tells_the_peers_words(pages):
    dead = pages.json("/api/deliveries?state=refused")["rows"]
    assert dead
    assert {(row["words"], row["status"]) for row in dead} == {
        ("SOP class not supported", "0x0122")
    }
    lesion = dead[0]["lesion"]
    (row,) = [row for row in pages.json("/api/lesions?size=500")["rows"] if row["number"] == lesion]
    assert row["undelivered"] == ["pacs: SOP class not supported"]
    assert row["way"][4]["standing"] == "failed"
    assert "0x0122 SOP class not supported" in pages.ask("/deliveries?state=refused")[1]


@pytest.mark.parametrize(
    "query",
    ["page=0", "page=-1", "page=1e9", "page=x", "size=501", "sort=mark", "sort=--number",
     "state=lost", "colour=red", "rule=" + "r" * 201, "study=%00", "page=%D9%A1"],
)  # fmt: skip
def test_what_a_list_does_not_know_is_said(pages, query):
    status, text = pages.ask(f"/api/lesions?{query}")
    assert status == 400
    assert json.loads(text)["detail"]


def test_what_is_written_in_an_address_is_text_on_the_page(pages):
    text = pages.ask("/lesions?rule=%22%3E%3Cscript%3Ealert(1)%3C/script%3E")[1]
    assert "<script>alert" not in text
    assert "&lt;script&gt;" in text


def test_no_secret_is_shown(pages):
    status, text = pages.ask("/configuration")
    assert status == 200
    twin = pages.ask("/api/configuration")[1]
    for secret in SECRETS:
        assert secret not in text
        assert secret not in twin
    shown = {row["name"]: row["value"] for row in json.loads(twin)["settings"]}
    assert shown["destinations.0.ae_title"] == "PACS"
    assert shown["alerts.email.password_file"] == "/run/mail-password"
    assert shown["alerts.webhook.url"] == "https://hooks.example.org/(not shown)"
    assert shown["destinations.1.url"] == "https://(not shown)@web.example.org/d?(not shown)"
    assert shown["destinations.1.headers.Authorization"] == "(not shown)"
    for address in ("/destinations", "/api/destinations"):
        assert not [secret for secret in SECRETS if secret in pages.ask(address)[1]]


def test_roles(pages):
    for path in (*PAGES[:-2], "/openapi.json", "/"):
        assert pages.ask(path, "viewer")[0] == 200
    for path in ADMINISTRATORS:
        assert pages.ask(path, "operator")[0] == 403
        assert pages.ask(f"/api{path}", "operator")[0] == 403
    body = '{"action": "retry", "lesions": [20]}'
    json_body = {"Content_Type": "application/json"}
    assert pages.ask("/api/jobs", "viewer", body, **json_body)[0] == 403
    assert "Take up again" not in pages.ask("/lesions", "viewer")[1]
    assert "Take up again" in pages.ask("/lesions", "operator")[1]


def test_the_audit_trail_is_read_by_study_and_who_reads_it_is_in_it(pages):
    journal = audit_trail(pages.settings, pages.database)
    anna = Participant("anna", "10.0.0.7")
    journal.note_durably(InstancesAccessed(anna, StudyContent(STUDY)))
    journal.note_durably(InstancesAccessed(anna, StudyContent("1.2.3")))
    journal.note_durably(
        Query("1.2.840.10008.5.1.4.1.2.2.1", b"limit=1", asking=Participant("ben"))
    )
    pages.ask("/audit")
    found = pages.json("/api/audit")
    # A query is of no study, though its message names a SOP class.
    assert [row["subjects"] for row in found["rows"] if row["who"] == ["ben"]] == [[]]
    assert [row["subjects"] for row in found["rows"] if row["who"] == ["anna (10.0.0.7)"]] == [
        ["1.2.3"],
        [STUDY],
    ]
    (row,) = pages.json("/api/audit?study=1.2.3")["rows"]
    assert row["event"] == "DICOM Instances Accessed"
    assert row["outcome"] == "success"
    assert "1.2.3" in pages.ask("/audit?study=1.2.3")[1]
    assert pages.ask("/audit?study=../etc")[0] == 400
    end = time.monotonic() + 30
    while not [one for one in pages.json("/api/audit")["rows"] if "Audit Log Used" in one["event"]]:
        assert time.monotonic() < end
        time.sleep(0.2)


def test_a_look_is_told_once_and_not_at_each_renewal(pages):
    token = pages.tokens.add("anna", "viewer")
    pages.looks.clear()
    for _ in range(3):
        pages.ask(f"/studies/{STUDY}", Authorization=f"Bearer {token}")
        pages.ask("/studies?q=chest", Authorization=f"Bearer {token}")
    assert pages.looks == [
        Look("anna", "127.0.0.1", "read", STUDY),
        Look("anna", "127.0.0.1", "query", query="/studies?q=chest"),
    ]


def test_an_operator_takes_up_cancels_and_discards(pages):
    json_body = {"Content_Type": "application/json"}
    with pages.database.read() as session:
        failed = session.scalars(select(Lesion.id).where(Lesion.state == "failed")).all()
        waiting = session.scalars(select(Lesion.id).where(Lesion.state == "waiting")).all()
        dead = session.scalars(select(Delivery.id).where(Delivery.state == "refused")).all()
    pages.looks.clear()
    asked = {"action": "retry", "lesions": [failed[0], 999_999], "why": "more memory now"}
    done = pages.json("/api/jobs", role="operator", body=json.dumps(asked), **json_body)
    assert [change["subject"] for change in done["changes"]] == [str(failed[0])]
    assert done["unknown"] == ["lesion 999999"]
    assert [look.action for look in pages.looks] == ["act"]
    form = f"action=cancel&lesion={waiting[0]}&lesion={failed[1]}&why="
    status, text = pages.ask("/jobs", "operator", form)
    assert status == 200
    assert "1 changed, 1 left as they are" in text
    asked = {"action": "discard", "deliveries": [dead[0]]}
    pages.json("/api/jobs", role="operator", body=json.dumps(asked), **json_body)
    with pages.database.read() as session:
        assert session.get(Lesion, failed[0]).state is LesionState.WAITING
        assert session.get(Lesion, waiting[0]).state is LesionState.REFUSED
        assert session.get(Delivery, dead[0]).state is DeliveryState.WITHDRAWN
        traces = session.scalars(select(JobTrace).order_by(JobTrace.id)).all()
    assert [(trace.action, trace.why) for trace in traces] == [
        ("retry", "more memory now"), ("cancel", ""), ("discard", "")]  # fmt: skip
    assert all(re.fullmatch(r"operator-\d+ \(web\)", trace.who) for trace in traces)


@pytest.mark.parametrize(
    "body",
    ["", "[]", "{", "[" * 5000, '{"action": "erase", "lesions": [1]}', '{"action": "retry"}',
     '{"action": "retry", "lesions": [true]}', '{"action": "retry", "lesions": ["1 or 1"]}',
     '{"action": "retry", "lesions": [-1]}', '{"action": "retry", "lesions": {"1": 1}}',
     '{"action": "retry", "lesions": [1], "who": "root"}', '{"action": ["retry"], "lesions": [1]}',
     '{"action": "retry", "lesions": [1], "why": "a\\nb"}',
     '{"action": "retry", "lesions": [1], "why": "' + "a" * 201 + '"}'],
)  # fmt: skip
def test_what_nobody_can_do_is_refused(pages, body):
    status, text = pages.ask("/api/jobs", "operator", body, Content_Type="application/json")
    assert status == 400, text
    with pages.database.read() as session:
        assert all(trace.who.startswith("operator") for trace in session.scalars(select(JobTrace)))


def test_a_destination_that_is_away_says_so_and_is_asked_again(pages):
    with pages.database.write() as session:
        session.add(Circuit(destination="pacs", state=CircuitState.OPEN, failures=7, probes=1,
                            opened_at=1.7e9, probe_at=4e9, words="connection refused"))  # fmt: skip
    rows = {row["name"]: row for row in pages.json("/api/destinations")["rows"]}
    assert (rows["pacs"]["circuit"], rows["pacs"]["failures"]) == ("open", 7)
    assert rows["archive"]["circuit"] == "closed"
    assert {choice["kind"] for choice in rows["pacs"]["results"]} >= {"fractional-seg", "report"}
    assert "connection refused" in pages.ask("/destinations")[1]
    pages.json("/api/jobs", role="operator", body='{"action": "retry", "destination": "pacs"}',
               Content_Type="application/json")  # fmt: skip
    with pages.database.read() as session:
        assert session.get(Circuit, "pacs").probe_at < 4e9


def test_running_counts_what_waits(pages):
    found = pages.json("/api/running")
    with pages.database.read() as session:
        ready = session.scalars(select(Lesion.id).where(Lesion.state == "ready")).all()
    queues = {queue["name"]: queue for queue in found["queues"]}
    assert queues["segment"]["length"] == len(ready)
    assert queues["segment"]["oldest_s"] > 0
    assert len(found["hours"]) == 24
    assert sum(hour["marks"] for hour in found["hours"]) == LESIONS
    assert found["disks"][0]["size"] > found["disks"][0]["free"] > 0


def test_scripts_are_small_and_ask_nobody_else():
    static = Path(__file__).parents[4] / "dicomnode" / "web" / "static"
    live = (static / "live.js").read_text(encoding="utf-8")
    assert len(live) < 4000
    assert "http" not in live
    assert not re.search(r"\.innerHTML\s*=[^=]|eval\(|insertAdjacentHTML", live)
