"""Ask a destination what it accepts, without sending anything."""

from __future__ import annotations

import os
from collections.abc import Sequence

import requests
from pydicom.uid import UID
from pynetdicom.sop_class import (
    StorageCommitmentPushModel,
    StudyRootQueryRetrieveInformationModelFind,
    StudyRootQueryRetrieveInformationModelGet,
    Verification,
)

from dicomnode.association import NoAssociation, NothingAccepted, associate, requesting_ae
from dicomnode.deliver.capabilities import Offer, ProbeOutcome
from dicomnode.deliver.result_classes import RESULT_CLASSES
from dicomnode.faults import describe_fault
from dicomnode.open_sockets import OpenSockets
from dicomnode.proposed_contexts import UNCOMPRESSED, each_alone
from dicomnode.settings import (
    Destination,
    DicomDestination,
    FolderDestination,
    StowDestination,
)
from dicomnode.web_client import web_client, words_of

_SERVICES: dict[UID, tuple[UID, ...]] = {
    Verification: UNCOMPRESSED,
    StorageCommitmentPushModel: UNCOMPRESSED,
    StudyRootQueryRetrieveInformationModelFind: UNCOMPRESSED,
    StudyRootQueryRetrieveInformationModelGet: UNCOMPRESSED,
}
_MOST_CONTEXTS = 128  # PS3.8 9.3.2.2: odd numbers of one byte


def probe(
    destination: Destination, calling_ae_title: str, sockets: OpenSockets | None = None
) -> ProbeOutcome:
    """Ask a destination what it accepts.

    A peer is proposed a presentation context for each SOP class of results, and each service that
    the node would use, in each transfer syntax alone: so that it cannot choose among them. A
    DICOMweb server is asked for a study that does not exist, which shows that it is there; of a
    folder it is looked up whether it can be written to.

    Parameters
    ----------
    destination : Destination
    calling_ae_title : str
        Used unless the destination names another.
    sockets : OpenSockets, optional
        Told of each connection.
    """
    match destination:
        case DicomDestination():
            return _propose(destination, calling_ae_title, sockets)
        case StowDestination():
            return _ask_server(destination, sockets)
        case FolderDestination():
            return _look(destination)


def probed_pairs() -> list[tuple[UID, UID]]:
    """SOP classes and transfer syntaxes that a peer is asked about."""
    return [
        (sop_class, syntax)
        for classes in (_SERVICES, RESULT_CLASSES)
        for sop_class, syntaxes in classes.items()
        for syntax in syntaxes
    ]


def _propose(
    destination: DicomDestination, calling_ae_title: str, sockets: OpenSockets | None
) -> ProbeOutcome:
    pairs = probed_pairs()
    offers: list[Offer] = []
    for start in range(0, len(pairs), _MOST_CONTEXTS):
        some = pairs[start : start + _MOST_CONTEXTS]
        try:
            offers += _offers(some, destination, calling_ae_title, sockets)
        except NoAssociation as error:
            return ProbeOutcome(False, str(error))
    accepted = {offer.sop_class_uid for offer in offers if offer.accepted}
    results = len(accepted & {str(uid) for uid in RESULT_CLASSES})
    words = f"accepts {results} of {len(RESULT_CLASSES)} SOP classes of results"
    return ProbeOutcome(True, words, tuple(offers))


def _offers(
    pairs: Sequence[tuple[UID, UID]],
    destination: DicomDestination,
    calling_ae_title: str,
    sockets: OpenSockets | None,
) -> list[Offer]:
    ae = requesting_ae(destination, calling_ae_title)
    try:
        association = associate(ae, destination, each_alone(pairs), sockets=sockets)
    except NothingAccepted:
        return [Offer(str(sop_class), str(syntax), False) for sop_class, syntax in pairs]
    accepted = {
        (str(context.abstract_syntax), str(context.transfer_syntax[0]))
        for context in association.accepted_contexts
    }
    association.release()
    return [
        Offer(str(sop_class), str(syntax), (str(sop_class), str(syntax)) in accepted)
        for sop_class, syntax in pairs
    ]


def _ask_server(destination: StowDestination, sockets: OpenSockets | None) -> ProbeOutcome:
    patience = destination.connect_timeout_s, destination.response_timeout_s
    try:
        with web_client(destination, *patience, sockets) as (client, _):
            client.search_for_studies(limit=1, search_filters={"StudyInstanceUID": "2.25.0"})
    except requests.RequestException as error:
        return ProbeOutcome(False, words_of(error))
    except Exception as error:  # whatever a server sends
        return ProbeOutcome(False, f"the answer cannot be used: {describe_fault(error)}")
    return ProbeOutcome(True, "answers QIDO-RS; what it stores it does not say")


def _look(destination: FolderDestination) -> ProbeOutcome:
    if not destination.path.is_dir():
        return ProbeOutcome(False, "is no folder, or is not mounted")
    if not os.access(destination.path, os.W_OK | os.X_OK):
        return ProbeOutcome(False, "cannot be written to")
    return ProbeOutcome(True, "can be written to")
