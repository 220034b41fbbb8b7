"""Ready lesions end published, refused or failed, each with its reason; none stops another."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path

import pydicom
import pytest
from sqlalchemy import delete, select
from sqlalchemy.exc import OperationalError

from dicomnode.demo.ct_series import save_series
from dicomnode.jobs import dispatcher as dispatcher_module
from dicomnode.jobs.dispatcher import Dispatcher
from dicomnode.jobs.engine import ProcessEngine
from dicomnode.jobs.lesion_queue import Folders
from dicomnode.jobs.publish import PublishRequest
from dicomnode.jobs.segment import SegmentOutcome, SegmentRequest, segment
from dicomnode.jobs.variants import Ladders
from dicomnode.jobs.worker import WorkerDied
from dicomnode.results import EmptyMask, UnusableGeometry
from dicomnode.settings import PublishSettings, SegmentSettings
from dicomnode.store.files import DiskFull
from dicomnode.store.states import LesionState
from dicomnode.store.tables import Delivery, Instance, Lesion, Result
from dicomnode.timing import CallScheduler
from pipelines.errors import UnusableMarkError
from tests.dicomnode.jobs.rows import add_lesion, lesion, published
from tests.dicomnode.studies import study

PATIENCE_S = 240.0
ENDED = (LesionState.PUBLISHED, LesionState.REFUSED, LesionState.FAILED)

Step = Callable[[SegmentRequest | PublishRequest], object]


def well(request: SegmentRequest | PublishRequest) -> object:
    """Do the work of both steps, in no time."""
    if isinstance(request, SegmentRequest):
        return SegmentOutcome(1.0, 0.1, ())
    return published(request.lesion.lesion_number)


def number_of(request: SegmentRequest | PublishRequest) -> int:
    if isinstance(request, SegmentRequest):
        return int(request.target.stem)
    return request.lesion.lesion_number


class InlineEngine:
    """Does each call at once, as `step` says, whatever function was asked for."""

    processes = 1

    def __init__(self, step: Step) -> None:
        self._step = step
        self.calls: list[int] = []

    def warm_up(self) -> None:
        pass

    def stop(self) -> None:
        pass

    def submit(self, function: Callable[..., object], request: object) -> Future[object]:
        future: Future[object] = Future()
        self.calls.append(number_of(request))
        try:
            future.set_result(self._step(request))
        except Exception as error:
            future.set_exception(error)
        return future


@pytest.fixture
def dispatch(database, tmp_path):
    """Start a dispatcher over an engine; it is stopped at the end."""
    scheduler = CallScheduler()
    scheduler.start()
    started = []

    def start(engine, attempts: int = 2) -> Dispatcher:
        dispatcher = Dispatcher(
            database,
            engine,
            scheduler,
            Folders(tmp_path / "masks", tmp_path / "results"),
            SegmentSettings(processes=1, attempts=attempts),
            Ladders((), PublishSettings()),
            lambda: None,
        )
        started.append(dispatcher)
        dispatcher.start()
        return dispatcher

    yield start
    for dispatcher in started:
        dispatcher.stop()
    scheduler.shutdown()


def until_ended(database, *lesion_ids: int) -> list[Lesion]:
    end = time.monotonic() + PATIENCE_S
    while True:
        rows = [lesion(database, lesion_id) for lesion_id in lesion_ids]
        if all(row.state in ENDED for row in rows):
            return rows
        assert time.monotonic() < end, [(row.state, row.reason) for row in rows]
        time.sleep(0.02)


def test_work_goes_through_both_steps(database, dispatch):
    ids = [add_lesion(database, n) for n in (1, 2, 3)]
    dispatch(InlineEngine(well))
    rows = until_ended(database, *ids)
    assert {row.state for row in rows} == {LesionState.PUBLISHED}
    with database.read() as session:
        assert len(session.scalars(select(Result)).all()) == 3
        assert len(session.scalars(select(Delivery)).all()) == 6


@pytest.mark.parametrize("error", [UnusableMarkError, UnusableGeometry, EmptyMask])
def test_what_cannot_be_segmented_is_refused_at_once_with_the_reason(database, dispatch, error):
    wanted, other = add_lesion(database, 1), add_lesion(database, 2)

    def step(request):
        if number_of(request) == 1:
            raise error("found this, expected that")
        return well(request)

    engine = InlineEngine(step)
    dispatch(engine)
    row, well_done = until_ended(database, wanted, other)
    assert (row.state, row.reason) == (LesionState.REFUSED, "found this, expected that")
    assert engine.calls.count(1) == 1
    assert well_done.state is LesionState.PUBLISHED


def test_pixels_without_a_decoder_refuse_the_lesion(database, dispatch, tmp_path):
    paths = save_series(study("undecodable").ct[:2], tmp_path / "ct")
    for path in paths:
        image = pydicom.dcmread(path)
        image.file_meta.TransferSyntaxUID = "1.2.840.10008.1.2.4.201"
        image.PixelData = pydicom.encaps.encapsulate([bytes(16)])
        image["PixelData"].is_undefined_length = True
        image.save_as(path)
    wanted = add_lesion(database, 1, paths=paths)
    dispatch(InlineEngine(segment))
    (row,) = until_ended(database, wanted)
    assert row.state is LesionState.REFUSED
    assert "High-Throughput JPEG 2000" in row.reason


def test_a_fault_is_repeated_and_then_parked_without_its_text(database, dispatch):
    wanted = add_lesion(database, 1)

    def step(request):
        raise KeyError("DOE^JANE")

    engine = InlineEngine(step)
    dispatch(engine, attempts=3)
    (row,) = until_ended(database, wanted)
    assert row.state is LesionState.FAILED
    assert row.reason.startswith("attempt 3 of 3: KeyError in step (test_dispatcher.py:")
    assert "DOE" not in row.reason
    assert engine.calls == [1, 1, 1]


def test_a_fault_that_passes_leaves_nothing_behind(database, dispatch):
    wanted = add_lesion(database, 1)
    seen = []

    def step(request):
        seen.append(request)
        if len(seen) == 1:
            raise RuntimeError("once")
        return well(request)

    dispatch(InlineEngine(step))
    (row,) = until_ended(database, wanted)
    assert (row.state, row.reason, row.attempts) == (LesionState.PUBLISHED, None, 0)


def test_a_full_disk_postpones_and_is_no_failure(database, dispatch, monkeypatch):
    monkeypatch.setattr(dispatcher_module, "_WAIT_FOR_DISK_S", 0.2)
    wanted = add_lesion(database, 1)
    reasons = []

    def step(request):
        reasons.append(lesion(database, wanted).reason)
        if len(reasons) <= 4:  # more often than a fault would be tried
            raise DiskFull(28, "cannot write: No space left on device")
        return well(request)

    dispatch(InlineEngine(step), attempts=1)
    (row,) = until_ended(database, wanted)
    assert (row.state, row.reason) == (LesionState.PUBLISHED, None)
    assert reasons[0] is None
    assert all("waiting" in reason and "No space left" in reason for reason in reasons[1:5])


def test_a_lesion_that_is_postponed_is_not_forgotten_over_another_one_that_breaks(
    database, dispatch, monkeypatch
):
    monkeypatch.setattr(dispatcher_module, "_WAIT_FOR_DISK_S", 0.3)
    full, broken = add_lesion(database, 1), add_lesion(database, 2)
    seen = []

    def step(request):
        seen.append(number_of(request))
        if number_of(request) == 2:
            raise RuntimeError("broken")
        if seen.count(1) == 1:
            raise DiskFull(28, "cannot write: No space left on device")
        return well(request)

    dispatch(InlineEngine(step))
    done, failed = until_ended(database, full, broken)
    assert done.state is LesionState.PUBLISHED
    assert failed.state is LesionState.FAILED


def test_broken_rows_stop_no_other_lesion(database, dispatch):
    without_slice, without_source, sound = (add_lesion(database, n) for n in (1, 2, 3))
    with database.write() as session:
        session.execute(delete(Instance).where(Instance.sop_instance_uid == "1.2.3.1.1"))
        session.execute(delete(Instance).where(Instance.sop_instance_uid == "1.2.4.2"))
    engine = InlineEngine(well)
    dispatch(engine)
    first, second, third = until_ended(database, without_slice, without_source, sound)
    assert third.state is LesionState.PUBLISHED
    assert first.state is second.state is LesionState.FAILED
    assert first.reason.startswith("attempt 2 of 2: KeyError")
    assert "KeyError" in second.reason
    assert 1 not in engine.calls


def test_an_engine_that_takes_nothing_for_a_while_costs_no_lesion(database, dispatch, monkeypatch):
    monkeypatch.setattr(dispatcher_module, "_PAUSE_AFTER_FAULT_S", 0.1)
    wanted = add_lesion(database, 1)

    class Unwilling(InlineEngine):
        refusals = 0

        def submit(self, function, request):
            if self.refusals == 0:
                self.refusals += 1
                raise OSError("cannot start a process")
            return super().submit(function, request)

    dispatch(Unwilling(well))
    (row,) = until_ended(database, wanted)
    assert row.state is LesionState.PUBLISHED


def test_what_cannot_be_written_down_at_once_is_written_down_later(database, dispatch, monkeypatch):
    monkeypatch.setattr(dispatcher_module, "_PAUSE_AFTER_FAULT_S", 0.1)
    wanted = add_lesion(database, 1)
    engine = InlineEngine(well)
    record, failures = dispatcher_module.lesions.record_segmented, []

    def record_later(*given):
        if len(failures) < 2:
            failures.append(given)
            raise OperationalError("database is locked", None, Exception())
        record(*given)

    monkeypatch.setattr(dispatcher_module.lesions, "record_segmented", record_later)
    dispatch(engine)
    (row,) = until_ended(database, wanted)
    assert row.state is LesionState.PUBLISHED
    assert len(failures) == 2
    assert engine.calls == [1, 1]  # once for each step: no work was done again


def test_what_runs_at_the_stop_is_written_down(database, dispatch, tmp_path):
    ids = [add_lesion(database, n) for n in (1, 2)]
    dispatcher = dispatch(SlowEngine(2))
    end = time.monotonic() + PATIENCE_S
    while len(list((tmp_path / "masks").glob("*.begun"))) < 2:
        assert time.monotonic() < end
        time.sleep(0.02)
    dispatcher.notify()
    dispatcher.stop()
    assert [lesion(database, i).state for i in ids] == [LesionState.SEGMENTED] * 2


def test_published_again_after_a_crash_it_is_still_one_result(database, dispatch):
    wanted = add_lesion(database, 1)
    dispatcher = dispatch(InlineEngine(well))
    until_ended(database, wanted)
    with database.write() as session:  # as if the rows of the last step had not been committed
        session.get_one(Lesion, wanted).state = LesionState.SEGMENTED
    dispatcher.notify()
    until_ended(database, wanted)
    with database.read() as session:
        assert len(session.scalars(select(Result)).all()) == 1
        assert len(session.scalars(select(Delivery)).all()) == 2


def well_after_a_while(request: SegmentRequest | PublishRequest) -> object:
    request.target.parent.mkdir(exist_ok=True)
    request.target.with_suffix(".begun").touch()
    time.sleep(1.0 + number_of(request))  # one after the other
    return well(request)


class SlowEngine(ProcessEngine):
    """Real workers that take their time."""

    def submit(self, function, *arguments):
        return super().submit(well_after_a_while if arguments else function, *arguments)


def die_on_lesion_1(request: SegmentRequest | PublishRequest) -> object:
    if number_of(request) == 1:
        os._exit(3)
    time.sleep(0.1)  # so that the others are under way when it dies
    return well(request)


class DeadlyEngine(ProcessEngine):
    """Real workers; lesion 1 takes the worker that it is given to down."""

    def submit(self, function, *arguments):
        work = die_on_lesion_1 if arguments else function
        return super().submit(work, *arguments)


def test_a_lesion_that_kills_its_worker_takes_no_other_along(database, dispatch):
    ids = [add_lesion(database, n) for n in (1, 2, 3)]
    engine = DeadlyEngine(1)
    try:
        dispatch(engine)
        killer, *others = until_ended(database, *ids)
    finally:
        engine.stop()
    assert killer.state is LesionState.FAILED
    assert killer.reason == "attempt 2 of 2: its worker process died"
    assert {row.state for row in others} == {LesionState.PUBLISHED}


def test_who_ran_beside_a_lesion_that_kills_its_worker_is_not_to_blame(database, dispatch):
    ids = [add_lesion(database, n) for n in (1, 2, 3)]
    engine = DeadlyEngine(2)
    try:
        dispatch(engine, attempts=1)
        killer, *others = until_ended(database, *ids)
    finally:
        engine.stop()
    assert (killer.state, killer.attempts) == (LesionState.FAILED, 1)
    assert [(row.state, row.attempts) for row in others] == [(LesionState.PUBLISHED, 0)] * 2


def test_two_deaths_are_enough_however_often_others_may_break(database, dispatch):
    wanted = add_lesion(database, 1)

    def step(request):
        raise WorkerDied("it took more than 5 MB of memory")

    engine = InlineEngine(step)
    dispatch(engine, attempts=9)
    (row,) = until_ended(database, wanted)
    assert row.state is LesionState.FAILED
    assert row.reason == "attempt 2 of 2: it took more than 5 MB of memory"
    assert engine.calls == [1, 1]


def test_lesions_are_written_where_the_node_keeps_them(database, dispatch, tmp_path):
    targets: list[Path] = []

    def step(request):
        targets.append(
            request.target.parent if isinstance(request, SegmentRequest) else request.folder
        )
        return well(request)

    wanted = add_lesion(database, 1)
    dispatch(InlineEngine(step))
    until_ended(database, wanted)
    assert targets == [tmp_path / "masks", tmp_path / "results" / "1.2.1"]
