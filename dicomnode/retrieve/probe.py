"""Whether a source answers, and takes what the node will ask of it."""

from __future__ import annotations

from dataclasses import dataclass

from pynetdicom.sop_class import StudyRootQueryRetrieveInformationModelFind as FIND
from pynetdicom.sop_class import StudyRootQueryRetrieveInformationModelGet as GET
from pynetdicom.sop_class import StudyRootQueryRetrieveInformationModelMove as MOVE
from pynetdicom.sop_class import Verification

from dicomnode.association import NoAssociation, associate, requesting_ae
from dicomnode.proposed_contexts import retrieval_check
from dicomnode.retrieve.source import Failed
from dicomnode.retrieve.web_faults import as_failed
from dicomnode.settings import DicomSource, DicomWebSource, Source
from dicomnode.web_client import web_client


@dataclass(frozen=True)
class Probed:
    """What a source answered.

    Attributes
    ----------
    works : bool
        Whether images can be asked for.
    words : str
    """

    works: bool
    words: str


def address_of(source: Source) -> str:
    """Where a source is, without a name or password that its URL may hold."""
    if isinstance(source, DicomSource):
        return f"{source.ae_title}@{source.host}:{source.port}"
    url = source.url
    return f"{url.scheme}://{url.host}:{url.port}{url.path or ''}"


def probe(source: Source, ae_title: str) -> Probed:
    """Ask a source for an answer; nothing is retrieved.

    A DIMSE source is sent a C-ECHO (PS3.7 9.1.5) over an association that proposes what a retrieve
    needs too. A DICOMweb source is asked for one study by QIDO-RS (PS3.18 10.6); whether it gives
    images by WADO-RS is not tried.

    Parameters
    ----------
    source : Source
    ae_title : str
        The node's own.
    """
    if isinstance(source, DicomWebSource):
        return _by_web(source)
    return _by_dimse(source, ae_title)


def _by_dimse(source: DicomSource, ae_title: str) -> Probed:
    name, retrieve = ("C-MOVE", MOVE) if source.kind == "c-move" else ("C-GET", GET)
    ae = requesting_ae(source, ae_title)
    try:
        association = associate(ae, source, retrieval_check(source.kind))
    except NoAssociation as error:
        return Probed(False, str(error))
    try:
        accepted = {context.abstract_syntax for context in association.accepted_contexts}
        if retrieve not in accepted:
            return Probed(False, f"it does not accept {name}")
        takes = f"accepts {name}" if FIND not in accepted else f"accepts C-FIND and {name}"
        if Verification not in accepted:
            return Probed(True, f"{takes}; it does not accept C-ECHO")
        status = association.send_c_echo()
    finally:
        association.release()
    if "Status" not in status:
        return Probed(False, "no answer to C-ECHO")
    code = int(status.Status)
    if code != 0x0000:
        return Probed(False, f"0x{code:04X} to C-ECHO")
    return Probed(True, f"0x0000 success; {takes}")


def _by_web(source: DicomWebSource) -> Probed:
    patience = source.connect_timeout_s, source.response_timeout_s
    try:
        with web_client(source, *patience) as (client, _), as_failed():
            client.search_for_studies(limit=1)
    except Failed as failed:
        return Probed(False, failed.words)
    return Probed(True, "answers QIDO-RS")
