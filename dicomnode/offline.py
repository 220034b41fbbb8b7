"""The node's pipeline over a folder, without a network: for researchers."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from sqlalchemy import func, select
from sqlalchemy.orm import selectinload

from dicomnode.collect.collector import Collector
from dicomnode.jobs.dispatcher import Dispatcher
from dicomnode.jobs.engine import ProcessEngine
from dicomnode.jobs.lesion_queue import WORK, Folders
from dicomnode.jobs.summariser import Summariser
from dicomnode.jobs.variants import Ladders
from dicomnode.receive.folder import find_instances
from dicomnode.receive.sop_classes import CT_CLASSES
from dicomnode.routing import Rule
from dicomnode.settings import (
    CollectSettings,
    FolderDestination,
    PublishSettings,
    RungName,
    SegmentSettings,
)
from dicomnode.store.database import Database
from dicomnode.store.instances import InstanceIndex
from dicomnode.store.states import SummaryState
from dicomnode.store.tables import Finding, Lesion, Summary
from dicomnode.timing import CallScheduler
from pipelines.networks.options import NetworkOptions

_POLL_S = 0.05
_OUT = "out"


@dataclass(frozen=True)
class Progress:
    """How far a run is.

    Attributes
    ----------
    files : int
        Read.
    ended, lesions : int
        Lesions that have ended, of how many.
    waiting : str or None
        What a lesion waits for that no computing brings, such as space on the disk.
    """

    files: int
    ended: int = 0
    lesions: int = 0
    waiting: str | None = None


@dataclass(frozen=True)
class Outcome:
    """What a run came to.

    Attributes
    ----------
    lesions : tuple of Lesion
        With their results; `state` and `reason` tell what became of each.
    summaries : tuple of Summary
        With the results that hold all lesions of a series; `reason` tells why there are none.
    refusals : tuple of Finding
        Items of mark objects that could not be used.
    skipped : tuple of (Path, str)
        Files that are no instances the node takes, and why.
    slices : mapping from SOP Instance UID to Path
    """

    lesions: tuple[Lesion, ...]
    summaries: tuple[Summary, ...]
    refusals: tuple[Finding, ...]
    skipped: tuple[tuple[Path, str], ...]
    slices: dict[str, Path]


def process_folder(
    folder: Path,
    out: Path,
    *,
    rule: Rule,
    processes: int,
    results: tuple[RungName, ...] | Literal["auto"] = ("fractional-seg",),
    networks: NetworkOptions | None = None,
    on_progress: Callable[[Progress], None] = lambda _: None,
) -> Outcome:
    """Segment every mark in a folder and write the results to another.

    Parameters
    ----------
    folder : Path
        CT and mark objects, in any order and depth.
    out : Path
        Gets ``<study uid>/<sop uid>.dcm`` for results and ``soft_masks/`` for the float mattes.
    rule : Rule
        Method and parameters for what it matches.
    processes : int
        Workers.
    results : tuple of str or "auto"
        Which objects are written, as of a destination; those of a series when its lesions have
        ended.
    networks : NetworkOptions, optional
        What networks run on, and where a site's own weights lie.
    on_progress : callable
        Called from time to time.

    Raises
    ------
    pydantic.ValidationError
        If there is no result of such a name.
    """
    destination = FolderDestination(name=_OUT, kind="folder", path=out.absolute(), results=results)
    rule = rule.model_copy(update={"destinations": (_OUT,)})
    with tempfile.TemporaryDirectory(prefix="dicomnode-") as scratch:
        database = Database(f"sqlite:///{Path(scratch) / 'process.sqlite'}")
        database.upgrade()
        index = InstanceIndex(database, CT_CLASSES)
        skipped, slices = [], {}
        for finding in find_instances(folder):
            if finding.received is None:
                skipped.append((finding.path, finding.reason))
                continue
            index.add(finding.received)
            slices[finding.received.header.sop_instance_uid] = finding.path
            on_progress(Progress(len(slices)))
        _run(
            database,
            destination,
            rule,
            processes,
            networks,
            lambda *p: on_progress(Progress(len(slices), *p)),
        )
        with database.read() as session:
            lesions = session.scalars(
                select(Lesion).options(selectinload(Lesion.results)).order_by(Lesion.id)
            ).all()
            summaries = session.scalars(
                select(Summary).options(selectinload(Summary.results)).order_by(Summary.id)
            ).all()
            refusals = session.scalars(
                select(Finding).where(Finding.lesion_id.is_(None)).order_by(Finding.id)
            ).all()
        database.close()
    return Outcome(tuple(lesions), tuple(summaries), tuple(refusals), tuple(skipped), slices)


def _run(
    database: Database,
    destination: FolderDestination,
    rule: Rule,
    processes: int,
    networks: NetworkOptions | None,
    on_progress: Callable[[int, int, str | None], None],
) -> None:
    scheduler = CallScheduler()
    engine = ProcessEngine(processes, (rule.method,))
    segment = SegmentSettings(processes=processes)
    # A folder has all lesions of a series before the first object of the series is made.
    ladders = Ladders((destination,), PublishSettings(gather_s=0))
    out = destination.path
    dispatcher = Dispatcher(
        database,
        engine,
        scheduler,
        Folders(soft_masks=out / "soft_masks", results=out),
        segment,
        ladders,
        lambda: None,
        lambda: collector.collect_all(),
        networks,
    )
    summariser = Summariser(
        database, engine, scheduler, ladders, out, segment.attempts, lambda: None
    )
    # A folder is complete when it has been read: no series, and no SEG, is waited for.
    complete = CollectSettings(quiet_period_s=1e-6, seg_wait_s=1e-6)
    collector = Collector(database, scheduler, complete, [rule], dispatcher.notify)
    scheduler.start()
    try:
        collector.collect_all()
        dispatcher.start()
        while True:
            with database.read() as session:
                counts = dict(
                    session.execute(select(Lesion.state, func.count()).group_by(Lesion.state)).all()
                )
                # Of a lesion that is to be worked at, only a postponed one has a reason.
                waiting = session.scalar(
                    select(Lesion.reason)
                    .where(Lesion.state.in_(WORK), Lesion.attempts == 0, Lesion.reason.is_not(None))
                    .limit(1)
                )
                # Those that stood back for a lesion that failed are about to become ready.
                back = session.scalar(select(func.count()).where(Lesion.unsettled.is_(True)))
            left = sum(counts.get(state, 0) for state in WORK) + back
            total = sum(counts.values())
            on_progress(total - left, total, waiting)
            if not left:
                break
            time.sleep(_POLL_S)
        summariser.start()
        while _is_waited_for(database):
            time.sleep(_POLL_S)
    finally:
        summariser.ask_to_stop()
        dispatcher.stop()
        summariser.stop()
        scheduler.shutdown()


def _is_waited_for(database: Database) -> bool:
    """Whether objects of a series are still to be made."""
    waiting = select(Summary.id).where(Summary.state == SummaryState.WAITING).limit(1)
    with database.read() as session:
        return session.scalar(waiting) is not None
