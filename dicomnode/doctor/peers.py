"""Do destinations and sources answer, and take what they are to get?"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from dicomnode.deliver.answer import Verdict
from dicomnode.deliver.capabilities import address_of
from dicomnode.deliver.probe import probe
from dicomnode.deliver.result_classes import RESULT_CLASSES
from dicomnode.deliver.store_scu import echo
from dicomnode.doctor.finding import Finding, failed, passed
from dicomnode.retrieve.probe import address_of as address_of_source
from dicomnode.retrieve.probe import probe as probe_source
from dicomnode.settings import Destination, DicomDestination, NodeSettings

_CLASSES = frozenset(RESULT_CLASSES)


@dataclass(frozen=True)
class PeerAnswer:
    """Whether a peer answers.

    Attributes
    ----------
    name : str
        Such as "destination pacs".
    works : bool
    words : str
        Its address, and what it or the network said.
    """

    name: str
    works: bool
    words: str


def peer_answers(settings: NodeSettings, name: str | None = None) -> Iterator[PeerAnswer]:
    """Ask each destination and source, or those of one name: DIMSE peers by C-ECHO, DICOMweb ones
    by QIDO-RS, folders by a look.
    """
    ae_title = settings.listen.ae_title
    for destination in settings.destinations:
        if name in (None, destination.name):
            works, words = _ask(destination, ae_title)
            yield PeerAnswer(
                f"destination {destination.name}", works, f"{address_of(destination)}: {words}"
            )
    for source in settings.sources:
        if name in (None, source.name):
            probed = probe_source(source, ae_title)
            address = f"{source.kind} {address_of_source(source)}"
            yield PeerAnswer(f"source {source.name}", probed.works, f"{address}: {probed.words}")


def _ask(destination: Destination, ae_title: str) -> tuple[bool, str]:
    if isinstance(destination, DicomDestination):
        answer = echo(destination, ae_title)
        return answer.verdict is Verdict.ACCEPTED, answer.words
    outcome = probe(destination, ae_title)
    return outcome.answered, outcome.words


def look_at_peers(settings: NodeSettings) -> Iterator[Finding]:
    """Ask, and propose to destinations that answer what results are made of."""
    for answer in peer_answers(settings):
        if not answer.works:
            yield failed(
                answer.name,
                answer.words,
                "Compare address, port and AE titles on both sides; is the peer up, and a firewall "
                "between?",
            )
            continue
        yield passed(answer.name, answer.words)
        for destination in settings.destinations:
            if answer.name == f"destination {destination.name}":
                yield from _takes(destination, settings.listen.ae_title)


def _takes(destination: Destination, ae_title: str) -> Iterator[Finding]:
    if not isinstance(destination, DicomDestination):
        return  # neither a folder nor a DICOMweb server says what it takes
    offers = probe(destination, ae_title).offers
    taken = {o.sop_class_uid for o in offers if o.accepted and o.sop_class_uid in _CLASSES}
    check = f"destination {destination.name} takes"
    words = f"{len(taken)} of the {len(_CLASSES)} SOP classes of results"
    if taken:
        yield passed(check, words + "; `dicomnode probe` says which")
    else:
        yield failed(
            check, words, "Let the peer store SEG from this AE title; `dicomnode probe` shows all."
        )
