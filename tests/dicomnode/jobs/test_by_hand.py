"""What an administrator does is done once, where the state allows it, and leaves a trace."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import select
from typer.testing import CliRunner

from dicomnode.audit.journal import Journal
from dicomnode.audit.told import newest_records
from dicomnode.commands.app import app
from dicomnode.commands.user import user
from dicomnode.deliver import circuit, outbox
from dicomnode.deliver.answer import Answer, Verdict
from dicomnode.jobs import lesion_queue
from dicomnode.jobs.by_hand import By, Change, Chosen, act
from dicomnode.jobs.hand_watch import HandWatch
from dicomnode.jobs.touched_studies import studies_touched
from dicomnode.settings import CircuitSettings, RetrySettings
from dicomnode.store.database import Database
from dicomnode.store.states import DeliveryState, JobAction, LesionState, SummaryState
from dicomnode.store.tables import (
    Circuit,
    Delivery,
    JobTrace,
    Lesion,
    RefusalReport,
    Result,
    Summary,
)
from pipelines.networks.options import NetworkOptions
from tests.dicomnode.jobs.rows import add_lesion, lesion

ANNA = By("anna", "the archive is mended")
FOLDERS = lesion_queue.Folders(Path("/nowhere/masks"), Path("/nowhere/results"))
EVERY_STATE = dict(enumerate(DeliveryState, start=1))


def do(database, action: JobAction, **chosen: object):
    with database.write() as session:
        return act(session, action, Chosen(**chosen), ANNA)


def delivery_states(database) -> dict[int, DeliveryState]:
    with database.read() as session:
        return {d.id: d.state for d in session.scalars(select(Delivery))}


def traces(database) -> list[tuple[str, str, str, str]]:
    with database.read() as session:
        rows = session.scalars(select(JobTrace).order_by(JobTrace.id))
        assert all((row.who, row.why) == (ANNA.who, ANNA.why) for row in rows)
        rows = session.scalars(select(JobTrace).order_by(JobTrace.id))
        return [(row.action.value, row.kind, row.before, row.after) for row in rows]


def add_deliveries(database, lesion_id: int) -> None:
    """One in every state, the id as in `EVERY_STATE`."""
    with database.write() as session:
        for number, state in EVERY_STATE.items():
            made = Result(
                lesion_id=lesion_id,
                kind="fractional-seg",
                sop_class_uid="1.2",
                sop_instance_uid=f"1.2.{number}",
                path="/nowhere",
                size=1,
            )
            made.deliveries = [
                Delivery(id=number, destination="pacs", state=state, attempts=9, due_at=9e9)
            ]
            session.add(made)


def test_each_step_is_taken_where_the_state_allows_it_and_only_once(database):
    standing = add_lesion(database, 1, LesionState.PUBLISHED)
    add_deliveries(database, standing)
    everything = {"deliveries": tuple(EVERY_STATE)}
    before = delivery_states(database)
    assert before == EVERY_STATE

    def changed() -> dict[DeliveryState, DeliveryState]:
        now = delivery_states(database)
        return {before[i]: now[i] for i in now if now[i] is not before[i]}

    do(database, JobAction.CANCEL, **everything)
    withdrawn = DeliveryState.WITHDRAWN
    undelivered = ("queued", "sent", "unjudged", "withheld")
    assert changed() == {DeliveryState(state): withdrawn for state in undelivered}
    count = len(traces(database))
    assert count == len(undelivered)
    again = do(database, JobAction.CANCEL, **everything)
    assert all(change.why_not for change in again)
    assert len(traces(database)) == count

    before = delivery_states(database)
    do(database, JobAction.DISCARD, **everything)
    assert changed() == {DeliveryState.REFUSED: withdrawn, DeliveryState.EXHAUSTED: withdrawn}

    do(database, JobAction.RETRY, **everything)
    now = delivery_states(database)
    held = (DeliveryState.ACCEPTED, DeliveryState.COMMITTED, DeliveryState.VERIFIED)
    for number, was in EVERY_STATE.items():
        assert now[number] is (was if was in held else DeliveryState.QUEUED)
    assert ("discard", "delivery", "refused", "withdrawn") in traces(database)

    # An object that another has taken the place of is not sent any more.
    with database.write() as session:
        session.get_one(Lesion, standing).state = LesionState.SUPERSEDED
        session.get_one(Delivery, 1).state = DeliveryState.WITHDRAWN
    (change,) = do(database, JobAction.RETRY, deliveries=(1,))
    assert change.why_not == "another result takes its place"
    assert delivery_states(database)[1] is DeliveryState.WITHDRAWN


def test_a_lesion_that_was_given_up_or_cancelled_begins_anew(database):
    failed = add_lesion(database, 1, LesionState.FAILED, attempts=2, reason="its worker died")
    ready = add_lesion(database, 2)
    waiting = add_lesion(database, 3, LesionState.WAITING)
    done = add_lesion(database, 4, LesionState.PUBLISHED)
    every = {"lesions": (failed, ready, waiting, done)}
    with database.read() as session:
        request = lesion_queue.segment_request(
            session,
            session.get_one(Lesion, ready),
            FOLDERS,
            NetworkOptions(),
        )
    do(database, JobAction.CANCEL, **every)
    states = [lesion(database, i).state for i in every["lesions"]]
    refused = LesionState.REFUSED
    assert states == [LesionState.FAILED, refused, refused, LesionState.PUBLISHED]
    assert lesion(database, ready).reason == "cancelled by anna: the archive is mended"
    with database.read() as session:  # what its worker still makes does not count
        assert not lesion_queue.is_wanted(session, ready, request, FOLDERS)

    do(database, JobAction.RETRY, **every)
    for wanted in (failed, ready, waiting):
        row = lesion(database, wanted)
        # It meets its slices and neighbours as a mark that came again does.
        assert (row.state, row.attempts, row.rule) == (LesionState.WAITING, 0, None)
        assert row.reason == "taken up again by anna: the archive is mended"
    assert lesion(database, done).state is LesionState.PUBLISHED

    with database.write() as session:
        session.get_one(Lesion, failed).state = LesionState.FAILED
    do(database, JobAction.DISCARD, state="failed")
    assert lesion(database, failed).state is refused
    assert "discarded by anna" in lesion(database, failed).reason


def test_by_destination_and_a_running_node_is_woken(database):
    add_deliveries(database, add_lesion(database, 1, LesionState.PUBLISHED))
    with database.write() as session:
        session.get_one(Delivery, 2).destination = "web"  # that was sent
        once = CircuitSettings(failures=1, first_wait_s=600)
        circuit.record_lost(session, "pacs", "away", once, RetrySettings())

    class Scheduler:
        def add_job(self, *_: object, **__: object) -> None:
            pass

    woken: list[list[int]] = []
    watch = HandWatch(database, Scheduler(), woken.append)
    watch.start()
    watch.look()
    assert not woken
    do(database, JobAction.RETRY, destination="pacs")
    watch.look()
    watch.look()
    assert woken == [[]]
    with database.read() as session:
        due = [parcel.delivery_id for parcel in outbox.due(session, "pacs")]
        assert circuit.admission(session, "pacs") is circuit.Admission.ONE
        assert session.get_one(Circuit, "pacs").opened_at is not None
        assert session.get_one(Delivery, 2).due_at == 9e9
    named = {EVERY_STATE[i] for i in due}
    assert named == {DeliveryState.QUEUED, DeliveryState.REFUSED, DeliveryState.EXHAUSTED}
    given_up = add_lesion(database, 2, LesionState.FAILED)
    do(database, JobAction.RETRY, lesions=(given_up,))
    watch.look()
    assert woken == [[], [given_up]]
    # What was cancelled while it was on its way, and arrived, is what it is: accepted.
    do(database, JobAction.CANCEL, deliveries=(due[0],))
    with database.write() as session:
        row = outbox.record(session, due[0], Answer(Verdict.ACCEPTED, "ok", 0), RetrySettings())
    assert row.state is DeliveryState.ACCEPTED


@pytest.fixture
def configuration(tmp_path):
    path = tmp_path / "node.toml"
    path.write_text(f'[store]\npath = "{tmp_path}"\n')
    database = Database(f"sqlite:///{tmp_path / 'node.sqlite'}")
    database.upgrade()
    add_lesion(database, 1, LesionState.FAILED)
    database.close()
    return str(path)


def test_the_commands_ask_before_something_is_lost_and_say_what_they_did(configuration):
    def run(*words: str, said: str | None = None):
        return CliRunner().invoke(app, ["jobs", *words, "--config", configuration], input=said)

    assert run("discard", "--state", "failed", said="n\n").exit_code == 1
    assert "failed" in run("--state", "failed").output
    assert run("discard").exit_code == 2
    assert "expected one of" in run("discard", "--state", "fialed").stderr
    misplaced = CliRunner().invoke(
        app, ["jobs", "--config", configuration, "discard", "--lesion", "1", "--yes"]
    )
    assert (misplaced.exit_code, "belongs after" in misplaced.stderr) == (2, True)
    missing = run("discard", "--lesion", "99", "--yes")
    assert (missing.exit_code, missing.stderr) == (2, "not there: lesion 99\n")
    done = run("discard", "--lesion", "1", "--yes", "--why", "test [data]")
    assert done.exit_code == 0, done.output
    assert "lesion 1: failed -> refused" in done.output
    again = run("discard", "--lesion", "1", "--yes")
    assert again.exit_code == 0
    assert "left as it is: it has not failed" in again.output
    told = run("trace").output
    assert told.count("discard") == 1
    assert "test [data]" in told


def audited(configuration: str) -> list[str]:
    """All messages of the trail."""
    return [record.xml for record in newest_records(Path(configuration).parent / "audit", 99)]


def test_the_audit_trail_has_what_was_done_by_hand_before_it_counts(configuration, monkeypatch):
    def run(*words: str):
        return CliRunner().invoke(app, ["jobs", *words, "--config", configuration])

    assert run("discard", "--lesion", "1", "--yes").exit_code == 0
    (told,) = audited(configuration)
    for part in ("1.2.1", 'EventActionCode="U"', f'UserID="{user()}"', "jobs discard"):
        assert part in told
    # What is left as it is, is no news.
    assert run("discard", "--lesion", "1", "--yes").exit_code == 0
    assert len(audited(configuration)) == 1

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as broken:
        broken.setattr(Journal, "append", full)
        refused = run("retry", "--lesion", "1")
    assert (refused.exit_code, "nothing was changed" in refused.stderr) == (2, True)
    assert "lesion 1: refused -> waiting" in run("retry", "--lesion", "1").output
    assert len(audited(configuration)) == 2


def test_a_result_of_anything_belongs_to_a_study(database):
    lesion_id = add_lesion(database, 1)
    made_of = {
        "lesion": {"lesion_id": lesion_id},
        "series": {"summary": Summary(series_instance_uid="1.2.1.1", rule="all", method="m",
                                      state=SummaryState.PUBLISHED, due_at=0.0)},
        "refusals": {"refusal_report": RefusalReport(source_sop_instance_uid="1.2.4.1",
                                                     state=SummaryState.PUBLISHED, waits_from=0.0)},
    }  # fmt: skip
    with database.write() as session:
        for number, of in enumerate(made_of.values(), start=1):
            made = Result(kind="report", sop_class_uid="1.2", sop_instance_uid=f"1.2.{number}",
                          path="/nowhere", size=1, **of)  # fmt: skip
            made.deliveries = [Delivery(id=number, destination="pacs", state=DeliveryState.REFUSED)]
            session.add(made)
    with database.read() as session:
        for number in (1, 2, 3):
            changed = Change("delivery", str(number), "refused", "withdrawn")
            assert studies_touched(session, [changed]) == ("1.2.1",)
        left = Change("delivery", "1", "accepted", "accepted", "the destination has it")
        circuit = Change("circuit", "pacs", "open", "open")
        assert studies_touched(session, [left, circuit]) == ()
        assert studies_touched(session, [Change("lesion", "1", "ready", "refused")]) == ("1.2.1",)
