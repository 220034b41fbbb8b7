"""The tables, by what they are of."""

from dicomnode.store.tables.base import Base
from dicomnode.store.tables.deliveries import (
    Commitment,
    CommitmentReport,
    Delivery,
    commitment_delivery,
)
from dicomnode.store.tables.destinations import Capability, Circuit, Probe
from dicomnode.store.tables.lesions import Finding, Lesion, Verdict
from dicomnode.store.tables.reader_studies import (
    ReaderStudy,
    ReaderStudyAnswer,
    ReaderStudyCase,
    ReaderStudyPresentation,
)
from dicomnode.store.tables.received import Instance, Statement
from dicomnode.store.tables.results import RefusalReport, Result, Summary
from dicomnode.store.tables.retrievals import Retrieval, lesion_retrieval
from dicomnode.store.tables.traces import Alert, JobTrace, Purge, PurgedInstance

__all__ = [
    "Alert",
    "Base",
    "Capability",
    "Circuit",
    "Commitment",
    "CommitmentReport",
    "Delivery",
    "Finding",
    "Instance",
    "JobTrace",
    "Lesion",
    "Probe",
    "Purge",
    "PurgedInstance",
    "ReaderStudy",
    "ReaderStudyAnswer",
    "ReaderStudyCase",
    "ReaderStudyPresentation",
    "RefusalReport",
    "Result",
    "Retrieval",
    "Statement",
    "Summary",
    "Verdict",
    "commitment_delivery",
    "lesion_retrieval",
]
