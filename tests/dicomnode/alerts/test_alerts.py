"""Administrators are told once of what needs them, and when it has passed; nothing else suffers."""

from __future__ import annotations

import base64
import json
import logging
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from pydantic import ValidationError
from sqlalchemy import select

from dicomnode.alerts.conditions import Condition, present
from dicomnode.alerts.ledger import Event, News, news, record_told
from dicomnode.alerts.message import write_message
from dicomnode.alerts.watch import AlertWatch
from dicomnode.settings import AlertSettings, EmailSettings, NodeSettings
from dicomnode.store.states import CircuitState, DeliveryState, LesionState, RetrievalState
from dicomnode.store.tables import Alert, Circuit, Delivery, Lesion, Result, Retrieval
from tests.dicomnode.alerts.mail_server import MailServer
from tests.dicomnode.deliver.results_on_disk import until
from tests.dicomnode.jobs.rows import add_lesion

PATIENT = "DOE^JANE"
SECRET = "open sesame"
HOUR = 3600.0


def spoil(database) -> None:
    """One of each that an administrator is told of, with a patient's name in every free text."""
    failed = add_lesion(database, 1, LesionState.FAILED, reason=PATIENT)
    waiting = add_lesion(database, 2, LesionState.WAITING, reason=PATIENT)
    with database.write() as session:
        made = Result(
            lesion_id=failed,
            kind="fractional-seg",
            sop_class_uid="1.2",
            sop_instance_uid="1.2.3",
            path=f"/{PATIENT}",
            size=1,
        )
        made.deliveries = [
            Delivery(destination="pacs", state=DeliveryState.REFUSED, peer_words=PATIENT)
        ]
        session.add(made)
        session.add(
            Circuit(
                destination="web",
                state=CircuitState.OPEN,
                failures=7,
                probes=0,
                opened_at=time.time() - 1000,
                probe_at=0.0,
                words=PATIENT,
            )
        )
        retrieval = Retrieval(
            wanted="series 1.2",
            study_instance_uid="1.2",
            state=RetrievalState.EXHAUSTED,
            peer_words=PATIENT,
        )
        retrieval.lesions = [session.get_one(Lesion, waiting)]
        session.add(retrieval)


def names(database, settings: AlertSettings, free_mb: float = 1e6) -> list[str]:
    with database.read() as session:
        return [one.name for one in present(session, settings, free_mb)]


def test_what_needs_somebody_is_found_and_nothing_else(database):
    settings = AlertSettings(free_mb=100)
    assert names(database, settings) == []
    spoil(database)
    found = ["dead letters: pacs", "failed lesions", "destination away: web", "retrieving"]
    assert names(database, settings) == found
    assert names(database, settings, free_mb=99) == [*found, "disk space"]
    patient = AlertSettings(away_minutes=60)
    assert names(database, patient) == [n for n in found if n != "destination away: web"]
    with database.write() as session:
        session.scalars(select(Delivery)).one().state = DeliveryState.WITHDRAWN
        for row in session.scalars(select(Lesion)):
            row.state = LesionState.REFUSED
        session.get_one(Circuit, "web").state = CircuitState.CLOSED
    assert names(database, settings) == []


def test_one_message_a_condition_and_interval_and_one_when_it_has_passed(database):
    full = Condition("disk space", "1 MB are free")

    def told(at_h: float, *found: Condition, arrives: bool = True) -> list[Event]:
        now = 1e9 + at_h * HOUR
        with database.write() as session:
            due = news(session, found, now, 4 * HOUR)
            for one in due:
                if arrives:
                    record_told(session, one, now)
        return [one.event for one in due]

    assert told(0, full, arrives=False) == [Event.RAISED]
    assert told(0.1, full) == [Event.RAISED]  # nobody had heard it
    assert told(1, full) == []
    assert told(4.2, full) == [Event.REPEATED]
    assert told(5) == [Event.RECOVERED]
    assert told(5.1) == []
    assert told(5.2, full) == []  # it comes and goes: not before the interval is over
    assert told(8.3, full) == [Event.RAISED]
    assert told(8.4) == [Event.RECOVERED]
    assert told(13) == []
    with database.read() as session:
        assert session.scalars(select(Alert)).all() == []
    assert told(14, full, arrives=False) == [Event.RAISED]
    assert told(14.1) == []  # nobody was told that it was there


class Hook:
    """An HTTP server on loopback that keeps what is posted to it."""

    def __init__(self) -> None:
        self.status = 200
        self.posted: list[tuple[dict, str | None]] = []
        hook = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                hook.posted.append((json.loads(body), self.headers["Authorization"]))
                self.send_response(hook.status)
                self.send_header("Location", "http://127.0.0.1:9/")
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/hook"


class Scheduler:
    """Plans nothing: the test says when the next look is."""

    def __init__(self) -> None:
        self.planned = 0

    def add_job(self, *_: object, **__: object) -> None:
        self.planned += 1


@pytest.fixture
def hook():
    hook = Hook()
    yield hook
    hook.server.shutdown()
    hook.server.server_close()


def test_messages_go_by_mail_and_webhook_without_patient_data_or_secrets_in_the_log(
    database, tmp_path, hook, caplog, monkeypatch
):
    caplog.set_level(logging.DEBUG)
    (tmp_path / "smtp").write_text(SECRET + "\n")
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    spoil(database)
    with MailServer() as server:
        settings = NodeSettings(
            store={"path": tmp_path},
            alerts={
                "free_mb": 0,
                "email": {
                    "host": "127.0.0.1",
                    "port": server.port,
                    "security": "none",
                    "username": "node",
                    "password_file": "smtp",
                    "sender": "node@example.org",
                    "to": ["anna@example.org", "ben@example.org"],
                },
                "webhook": {"url": hook.url, "token_file": "smtp"},
            },
        )
        scheduler = Scheduler()
        watch = AlertWatch(database, scheduler, settings)
        # One channel fails: the other one tells, and the failure is logged without the secret.
        server.refusal = f"550 {SECRET}"
        watch.start()
        until(lambda: scheduler.planned == 1, "a look")
        assert not server.mails
        assert len(hook.posted) == 4
        assert "the mail server answered 550" in caplog.text
        # Both fail: it is told of later.
        hook.status = 307  # a token does not follow
        with database.write() as session:
            for row in session.scalars(select(Alert)):
                row.told_at = None
        watch._thread.wake()
        until(lambda: scheduler.planned == 2, "another look")
        assert "HTTP 307" in caplog.text
        server.refusal, hook.status = "", 200
        watch._thread.wake()
        until(lambda: scheduler.planned == 3, "a third look")
        watch._thread.wake()
        until(lambda: scheduler.planned == 4, "a fourth look")
        watch.stop()
    assert len(server.mails) == 4  # and no second time
    assert set(server.recipients) == {"anna@example.org", "ben@example.org"}
    assert base64.b64decode(server.logins[0]) == f"\0node\0{SECRET}".encode()
    subjects = [mail["Subject"] for mail in server.mails]
    assert "[DICOMNODE] dead letters: pacs" in subjects
    text = server.mails[0].get_content()
    assert "dicomnode jobs retry --destination pacs" in text
    assert "not for diagnosis" in text
    said, token = hook.posted[-1]
    assert token == f"Bearer {SECRET}"
    assert (said["event"], said["condition"]) == ("raised", "retrieving")
    everything = [mail.as_string() for mail in server.mails] + [str(p[0]) for p in hook.posted]
    for text in (*everything, caplog.text, repr(settings)):
        assert PATIENT not in text
        assert SECRET not in text


def test_a_channel_that_is_not_there_stops_nothing(database, tmp_path, caplog):
    spoil(database)
    settings = NodeSettings(
        store={"path": tmp_path},
        alerts={
            "webhook": {"url": "http://127.0.0.1:9/", "token_file": str(tmp_path / "no such file")}
        },
    )
    scheduler = Scheduler()
    watch = AlertWatch(database, scheduler, settings)
    watch.start()
    until(lambda: scheduler.planned, "a look")
    watch.stop()
    assert "the token cannot be read (FileNotFoundError)" in caplog.text
    with database.read() as session:
        assert all(row.told_at is None for row in session.scalars(select(Alert)))


def test_what_recovered_says_so():
    message = write_message(News(Event.RECOVERED, "disk space", "1 MB", 0.0), "NODE", 4)
    assert message.subject == "[NODE] recovered: disk space"
    assert "It has passed." in message.text
    assert message.data["since"] == "1970-01-01T00:00:00+00:00"


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"username": "node"}, "both or not at all"),
        ({"username": "a", "password_file": "p", "security": "none"}, "without TLS"),
        ({"to": []}, "at least 1"),
    ],
)
def test_a_mail_server_that_a_secret_must_not_go_to_is_refused(changes, reason):
    values = {"host": "mail.example.org", "sender": "a@b.org", "to": ["c@d.org"]}
    assert EmailSettings(**values).security == "starttls"
    with pytest.raises(ValidationError, match=reason):
        EmailSettings(**(values | changes))
