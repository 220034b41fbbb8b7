"""Which carrier takes objects to which kind of destination."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from dicomnode.deliver import drop_folder, store_scu, stow
from dicomnode.deliver.answer import Answer
from dicomnode.deliver.parcel import AboutToSend, Parcel, always
from dicomnode.open_sockets import OpenSockets
from dicomnode.settings import Destination

_CARRIERS = {
    "c-store": store_scu.send,
    "stow-rs": stow.send,
    "folder": drop_folder.send,
}


def carry(
    parcels: Sequence[Parcel],
    destination: Destination,
    calling_ae_title: str,
    about_to_send: AboutToSend = always,
    sockets: OpenSockets | None = None,
) -> Iterator[tuple[Parcel, Answer]]:
    """Take parcels to a destination of any kind and yield each outcome as it is known.

    Parameters
    ----------
    parcels : sequence of Parcel
    destination : Destination
    calling_ae_title : str
        Used by C-STORE unless the destination names another.
    about_to_send : callable
        Called before an object leaves the node; where it gives False, the object stays.
    sockets : OpenSockets, optional
        Told of each connection.
    """
    yield from _CARRIERS[destination.kind](
        parcels, destination, calling_ae_title, about_to_send, sockets
    )
