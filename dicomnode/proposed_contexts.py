"""What the node proposes on the associations that it opens (PS3.8 9.3.2.2), by what they are for.

The conformance statement prints what these functions give, so that it cannot say anything else
than what is proposed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from pydicom.uid import UID, ExplicitVRLittleEndian, ImplicitVRLittleEndian
from pynetdicom import build_context, build_role
from pynetdicom.pdu_primitives import SCP_SCU_RoleSelectionNegotiation
from pynetdicom.presentation import PresentationContext
from pynetdicom.sop_class import (
    StorageCommitmentPushModel,
    StudyRootQueryRetrieveInformationModelFind,
    StudyRootQueryRetrieveInformationModelGet,
    StudyRootQueryRetrieveInformationModelMove,
    Verification,
)

from dicomnode.receive.sop_classes import IMAGE_CLASSES, LOSSLESS

UNCOMPRESSED = (ExplicitVRLittleEndian, ImplicitVRLittleEndian)
"""Of every context without pixel data. pynetdicom's own default has Big Endian, too, which is
retired, and deflation."""


@dataclass(frozen=True)
class Proposal:
    """What one association is asked for.

    Attributes
    ----------
    contexts : tuple of PresentationContext
        Their numbers are given when the association is opened.
    roles : tuple of SCP_SCU_RoleSelectionNegotiation
        Of SOP classes that the node is not, or not only, the SCU of (PS3.7 D.3.3.4).
    """

    contexts: tuple[PresentationContext, ...]
    roles: tuple[SCP_SCU_RoleSelectionNegotiation, ...] = ()


def verification() -> Proposal:
    """Whether a peer answers (PS3.4 Annex A)."""
    return _of(Verification)


def storage(wanted: Iterable[tuple[str, str]], *, compressed: bool) -> Proposal:
    """Objects to store (PS3.4 Annex B).

    Parameters
    ----------
    wanted : iterable of (str, str)
        SOP class and transfer syntax of each object as it lies on disk.
    compressed : bool
        Whether a compressed one may go as it is. It then has a context of its own, beside the one
        that it can always be sent in.
    """
    contexts = []
    for sop_class, syntax in sorted(set(wanted)):
        if compressed and syntax not in UNCOMPRESSED:
            contexts.append(build_context(sop_class, syntax))
        contexts.append(build_context(sop_class, list(UNCOMPRESSED)))
    return Proposal(tuple(contexts))


def each_alone(pairs: Iterable[tuple[UID, UID]]) -> Proposal:
    """Each SOP class in each transfer syntax alone, so that a peer cannot choose among them."""
    return Proposal(tuple(build_context(sop_class, syntax) for sop_class, syntax in pairs))


def commitment_request() -> Proposal:
    """A request for storage commitment, and a report on the same association (PS3.4 J.3)."""
    return _of(StorageCommitmentPushModel)


def commitment_report() -> Proposal:
    """A report on what a peer asked to commit to: the node is the SCP (PS3.4 J.3.3)."""
    role = build_role(StorageCommitmentPushModel, scp_role=True)
    return Proposal(_of(StorageCommitmentPushModel).contexts, (role,))


def query() -> Proposal:
    """A query (PS3.4 C.4.1)."""
    return _of(StudyRootQueryRetrieveInformationModelFind)


def fetching(classes: Mapping[str, Sequence[str]]) -> Proposal:
    """A retrieval of single objects by C-GET (PS3.4 C.4.3), of which the node is the SCP.

    Parameters
    ----------
    classes : mapping
        Of each SOP class the transfer syntaxes that it may come in, beside the uncompressed ones.
    """
    asked = _of(
        StudyRootQueryRetrieveInformationModelGet, StudyRootQueryRetrieveInformationModelFind
    )
    contexts, roles = list(asked.contexts), []
    for sop_class in sorted(classes):
        # A context a syntax: the peer gives each object as it has it.
        contexts.append(build_context(sop_class, list(UNCOMPRESSED)))
        contexts += [
            build_context(sop_class, syntax)
            for syntax in classes[sop_class]
            if syntax not in UNCOMPRESSED
        ]
        roles.append(build_role(sop_class, scp_role=True))
    return Proposal(tuple(contexts), tuple(roles))


def retrieval(kind: Literal["c-move", "c-get"]) -> Proposal:
    """A query and a retrieval (PS3.4 C.4.2, C.4.3); by C-GET the node is the SCP of images."""
    if kind == "c-move":
        return _of(
            StudyRootQueryRetrieveInformationModelFind, StudyRootQueryRetrieveInformationModelMove
        )
    return fetching(dict.fromkeys(IMAGE_CLASSES, LOSSLESS))


def retrieval_check(kind: Literal["c-move", "c-get"]) -> Proposal:
    """Whether a source answers and takes what a retrieval needs; nothing is retrieved."""
    retrieve = {
        "c-move": StudyRootQueryRetrieveInformationModelMove,
        "c-get": StudyRootQueryRetrieveInformationModelGet,
    }[kind]
    return _of(Verification, StudyRootQueryRetrieveInformationModelFind, retrieve)


def _of(*sop_classes: UID) -> Proposal:
    return Proposal(
        tuple(build_context(sop_class, list(UNCOMPRESSED)) for sop_class in sop_classes)
    )
