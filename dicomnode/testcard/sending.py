"""Send the test card to a destination, as results are sent."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pydicom.dataset import Dataset

from dicomnode.deliver.answer import Answer, Verdict
from dicomnode.deliver.carriers import carry
from dicomnode.deliver.parcel import Parcel
from dicomnode.settings import Destination
from dicomnode.testcard.card import Card
from dicomnode.testcard.rows import Row, objects_of
from dicomnode.version import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME


class CardNotAccepted(RuntimeError):
    """The destination has not got the study that the objects belong to; holds its words."""


def send_card(
    card: Card, destination: Destination, calling_ae_title: str, folder: Path
) -> dict[Row, str | None]:
    """Send the CT, the report with the marks, and every row's objects.

    Parameters
    ----------
    card : Card
    destination : Destination
    calling_ae_title : str
    folder : Path
        Gets the objects as files; they are not needed afterwards.

    Returns
    -------
    dict
        Of each row, why the destination did not accept all of its objects; None where it did.

    Raises
    ------
    CardNotAccepted
        If the CT was not accepted: there is nothing to look at then.
    """
    study = _send([*card.ct, card.report], destination, calling_ae_title, folder)
    refused = _refusal([study[str(slice_.SOPInstanceUID)] for slice_ in card.ct])
    if refused is not None:
        raise CardNotAccepted(f"the CT of the test card was not accepted: {refused}")
    by_row = objects_of(card)
    objects = [made for all_made in by_row.values() for made in all_made]
    answers = _send(objects, destination, calling_ae_title, folder)
    return {
        row: _refusal([answers[str(one.SOPInstanceUID)] for one in all_made])
        for row, all_made in by_row.items()
    }


def _send(
    objects: Sequence[Dataset], destination: Destination, calling_ae_title: str, folder: Path
) -> dict[str, Answer]:
    """Of each SOP Instance UID what the destination answered."""
    parcels = []
    for number, made in enumerate(objects):
        made.file_meta.ImplementationClassUID = IMPLEMENTATION_CLASS_UID
        made.file_meta.ImplementationVersionName = IMPLEMENTATION_VERSION_NAME
        path = folder / f"{made.SOPInstanceUID}.dcm"
        made.save_as(path, enforce_file_format=True)
        parcels.append(Parcel(number, str(made.SOPClassUID), path))
    return {
        str(objects[parcel.delivery_id].SOPInstanceUID): answer
        for parcel, answer in carry(parcels, destination, calling_ae_title)
    }


def _refusal(answers: Sequence[Answer]) -> str | None:
    words = (answer.words for answer in answers if answer.verdict is not Verdict.ACCEPTED)
    return next((" ".join(said.split()) for said in words), None)
