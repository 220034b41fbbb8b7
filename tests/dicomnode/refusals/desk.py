"""Collector and reporter over objects in a folder: no network, no worker, nothing is waited for."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

import pydicom
from pydicom.dataset import Dataset
from sqlalchemy import select

from dicomnode.collect.collector import Collector
from dicomnode.jobs import lesion_queue
from dicomnode.receive.folder import find_instances
from dicomnode.receive.sop_classes import CT_CLASSES
from dicomnode.refusals.reporter import RefusalReporter
from dicomnode.routing import Rule
from dicomnode.settings import (
    CollectSettings,
    DicomDestination,
    FolderDestination,
    PublishSettings,
)
from dicomnode.store.database import Database
from dicomnode.store.instances import InstanceIndex
from dicomnode.store.refusals import report_of
from dicomnode.store.states import DeliveryState, LesionState
from dicomnode.store.tables import Delivery, Lesion, RefusalReport
from dicomnode.timing import CallScheduler
from tests.dicomnode.studies import save

ASKING = {"report_refusals": True, "destinations": ["pacs"]}


class Desk:
    """What becomes of objects that are read, and what is sent back of them.

    Parameters
    ----------
    database : Database
    folder : Path
    rules : sequence of dict
    """

    def __init__(self, database: Database, folder: Path, rules: Sequence[dict]) -> None:
        self.database = database
        self._folder = folder
        self._index = InstanceIndex(database, CT_CLASSES)
        self.configure(*rules)

    def configure(self, *rules: dict, gather_s: float = 0.0) -> None:
        """Restart with other rules."""
        made = [Rule.model_validate({"name": f"rule {i}"} | rule) for i, rule in enumerate(rules)]
        scheduler = CallScheduler()
        self.collector = Collector(
            self.database,
            scheduler,
            CollectSettings(quiet_period_s=1e-6, patience_h=1.0),
            made,
            lambda: None,
        )
        # A peer that is never called, so that what it accepts is not known, and a folder.
        self.destinations = (
            DicomDestination(name="pacs", ae_title="PACS", host="127.0.0.1", port=1),
            FolderDestination(name="archive", kind="folder", path=self._folder),
        )
        self.published: list[None] = []
        self.reporter = RefusalReporter(
            self.database,
            scheduler,
            made,
            self.destinations,
            PublishSettings(gather_s=gather_s),
            self._folder / "results",
            2,
            lambda: self.published.append(None),
        )

    def read(self, *objects: Dataset) -> None:
        """Store objects, look at everything, and do not report."""
        folder = self._folder / f"objects {time.monotonic_ns()}"
        save(objects, folder)
        for finding in find_instances(folder):
            assert finding.received is not None, finding.reason
            self._index.add(finding.received)
        self.collector.collect_all()

    def take(self, *objects: Dataset) -> None:
        """Store objects, look at everything, and report what is due."""
        self.read(*objects)
        self.reporter.report_due()

    def expire(self) -> None:
        """Patience with everything that waits is over; report what is due."""
        self.be_impatient()
        self.reporter.report_due()

    def be_impatient(self) -> None:
        """Patience with everything that waits is over."""
        with self.database.write() as session:
            for lesion in session.scalars(select(Lesion).where(Lesion.state == "waiting")):
                lesion.waiting_since = 0.0
        self.collector.expire()

    def refuse(self, lesion_id: int, reason: str) -> None:
        """A worker finds nothing in a lesion; report what is due."""
        with self.database.write() as session:
            lesion_queue.record_refused(session, lesion_id, reason)
        self.reporter.report_due()

    def lesions(self) -> list[Lesion]:
        """All lesions."""
        with self.database.read() as session:
            return list(session.scalars(select(Lesion).order_by(Lesion.id)))

    def states(self) -> list[LesionState]:
        """Of all lesions."""
        return [lesion.state for lesion in self.lesions()]

    def report(self, source: Dataset) -> RefusalReport | None:
        """The row of an object's report."""
        with self.database.read() as session:
            return report_of(session, source.SOPInstanceUID)

    def deliveries(self, destination: str = "pacs") -> list[Delivery]:
        """Of reports to a destination, the oldest first."""
        with self.database.read() as session:
            found = session.scalars(
                select(Delivery).where(Delivery.destination == destination).order_by(Delivery.id)
            ).all()
            for delivery in found:
                assert delivery.result.refusal_report is not None
            return list(found)

    def documents(self, destination: str = "pacs") -> list[Dataset]:
        """Those to a destination, the oldest first."""
        return [pydicom.dcmread(d.result.path) for d in self.deliveries(destination)]

    def deliver(self, state: DeliveryState = DeliveryState.ACCEPTED) -> None:
        """What is queued goes out."""
        with self.database.write() as session:
            for delivery in session.scalars(select(Delivery).where(Delivery.state == "queued")):
                delivery.state = state


def reasons(document: Dataset) -> list[tuple[str, str]]:
    """Items and reasons of a document."""
    groups = [item for item in document.ContentSequence if item.ValueType == "CONTAINER"]
    return [
        tuple(item.TextValue for item in group.ContentSequence if item.ValueType == "TEXT")
        for group in groups
    ]


def source_of(document: Dataset) -> str:
    """SOP Instance UID of the object that a document is about."""
    (pointer,) = [item for item in document.ContentSequence if item.ValueType == "COMPOSITE"]
    return str(pointer.ReferencedSOPSequence[0].ReferencedSOPInstanceUID)


def predecessors(document: Dataset) -> list[str]:
    """SOP Instance UIDs of what a document takes the place of."""
    return [
        str(item.ReferencedSOPInstanceUID)
        for study in document.get("PredecessorDocumentsSequence", ())
        for series in study.ReferencedSeriesSequence
        for item in series.ReferencedSOPSequence
    ]


def spoil(report: Dataset, *which: int) -> Dataset:
    """Take the coordinates out of some measurement groups of a report."""
    groups = [
        group
        for container in report.ContentSequence
        if container.ConceptNameCodeSequence[0].CodeValue == "126010"
        for group in container.ContentSequence
    ]
    for number in which:
        for item in groups[number].ContentSequence:
            if item.ValueType == "NUM":
                del item.ContentSequence
    return report


def resaved(report: Dataset, suffix: str) -> Dataset:
    """Give a report another UID, as a viewer does at each save."""
    report.SOPInstanceUID += suffix
    report.file_meta.MediaStorageSOPInstanceUID = report.SOPInstanceUID
    return report
