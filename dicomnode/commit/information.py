"""What requests and reports of storage commitment say (PS3.4 J.3.2.1.1 and J.3.3.1.1)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum

from pydicom.dataset import Dataset

from dicomnode.marks.attributes import read_attribute, read_sequence, read_uid

PUSH_MODEL = "1.2.840.10008.1.20.1"
PUSH_MODEL_INSTANCE = "1.2.840.10008.1.20.1.1"
"""The well-known instance that all requests and reports are of (PS3.4 J.3.5)."""

REQUEST = 1
"""Action Type ID of a request (PS3.4 Table J.3-1)."""


class EventType(IntEnum):
    """Of a report (PS3.4 Table J.3-2)."""

    ALL_COMMITTED = 1
    FAILURES_EXIST = 2


class FailureReason(IntEnum):
    """Why an object is not committed (PS3.3 C.14.1.1)."""

    PROCESSING_FAILURE = 0x0110
    NO_SUCH_OBJECT = 0x0112
    CLASS_INSTANCE_CONFLICT = 0x0119
    CLASS_NOT_SUPPORTED = 0x0122
    DUPLICATE_TRANSACTION = 0x0131
    RESOURCE_LIMITATION = 0x0213


def describe_reason(reason: int) -> str:
    """Say a failure reason in words."""
    meanings = {
        FailureReason.PROCESSING_FAILURE: "processing failure",
        FailureReason.NO_SUCH_OBJECT: "no such object instance",
        FailureReason.CLASS_INSTANCE_CONFLICT: "the object is of another SOP class",
        FailureReason.CLASS_NOT_SUPPORTED: "SOP class not supported",
        FailureReason.DUPLICATE_TRANSACTION: "duplicate transaction UID",
        FailureReason.RESOURCE_LIMITATION: "resource limitation",
    }
    return f"0x{reason:04X} {meanings.get(reason, 'failure')}"


class InvalidInformation(ValueError):
    """The data set of a request or a report lacks what it must have."""


@dataclass(frozen=True)
class Reference:
    """One object that is asked or reported about."""

    sop_class_uid: str
    sop_instance_uid: str


@dataclass(frozen=True)
class CommitmentRequest:
    """The Action Information of an N-ACTION."""

    transaction_uid: str
    references: tuple[Reference, ...]


@dataclass(frozen=True)
class CommitmentOutcome:
    """The Event Information of an N-EVENT-REPORT.

    Attributes
    ----------
    transaction_uid : str
    committed : tuple of Reference
    failed : mapping
        Failure reason by reference.
    """

    transaction_uid: str
    committed: tuple[Reference, ...]
    failed: Mapping[Reference, int]

    @property
    def event_type(self) -> EventType:
        """The event that tells it."""
        return EventType.FAILURES_EXIST if self.failed else EventType.ALL_COMMITTED


def request_dataset(request: CommitmentRequest) -> Dataset:
    """Write the Action Information of a request."""
    dataset = Dataset()
    dataset.TransactionUID = request.transaction_uid
    dataset.ReferencedSOPSequence = [_item(reference) for reference in request.references]
    return dataset


def outcome_dataset(outcome: CommitmentOutcome) -> Dataset:
    """Write the Event Information of a report."""
    dataset = Dataset()
    dataset.TransactionUID = outcome.transaction_uid
    if outcome.committed:
        dataset.ReferencedSOPSequence = [_item(reference) for reference in outcome.committed]
    if outcome.failed:
        items = []
        for reference, reason in outcome.failed.items():
            item = _item(reference)
            item.FailureReason = int(reason)
            items.append(item)
        dataset.FailedSOPSequence = items
    return dataset


def read_request(dataset: Dataset) -> CommitmentRequest:
    """Read the Action Information of a request.

    Raises
    ------
    InvalidInformation
        If there is no transaction UID, no object, or an object without its UIDs.
    """
    references = _references(dataset, "ReferencedSOPSequence")
    if not references:
        raise InvalidInformation("found no Referenced SOP Sequence (0008,1199), expected items")
    # An object that is asked about twice is answered once.
    return CommitmentRequest(_transaction(dataset), tuple(dict.fromkeys(references)))


def read_outcome(dataset: Dataset) -> CommitmentOutcome:
    """Read the Event Information of a report. An object that is in both lists has failed.

    Raises
    ------
    InvalidInformation
        If there is no transaction UID, or an object without its UIDs.
    """
    failed: dict[Reference, int] = {}
    items = read_sequence(dataset, "FailedSOPSequence")
    for item, reference in zip(items, _references(dataset, "FailedSOPSequence"), strict=True):
        reason = read_attribute(item, "FailureReason")
        failed[reference] = (
            reason if isinstance(reason, int) else int(FailureReason.PROCESSING_FAILURE)
        )
    committed = [
        reference
        for reference in dict.fromkeys(_references(dataset, "ReferencedSOPSequence"))
        if reference not in failed
    ]
    return CommitmentOutcome(_transaction(dataset), tuple(committed), failed)


def outcome_of(
    transaction_uid: str, references: Sequence[Reference], failed: Iterable[tuple[Reference, int]]
) -> CommitmentOutcome:
    """Tell of all references that are not among the failed ones that they are committed."""
    failures = dict(failed)
    committed = tuple(reference for reference in references if reference not in failures)
    return CommitmentOutcome(transaction_uid, committed, failures)


def _transaction(dataset: Dataset) -> str:
    uid = read_uid(dataset, "TransactionUID")
    if uid is None:
        raise InvalidInformation("found no Transaction UID (0008,1195), expected one")
    return uid


def _references(dataset: Dataset, keyword: str) -> list[Reference]:
    references = []
    for item in read_sequence(dataset, keyword):
        sop_class = read_uid(item, "ReferencedSOPClassUID")
        instance = read_uid(item, "ReferencedSOPInstanceUID")
        if sop_class is None or instance is None:
            raise InvalidInformation(f"found an item of {keyword} without its UIDs, expected both")
        references.append(Reference(sop_class, instance))
    return references


def _item(reference: Reference) -> Dataset:
    item = Dataset()
    item.ReferencedSOPClassUID = reference.sop_class_uid
    item.ReferencedSOPInstanceUID = reference.sop_instance_uid
    return item
