"""Many associations at once, each proposing as many contexts as there may be."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from pynetdicom import AllStoragePresentationContexts

from benchmarks.peers.requestor import EXPLICIT_VR_LE, Requestor, request_bytes
from dicomnode.receive.sop_classes import STORAGE_CLASSES

_MOST_CONTEXTS = 128
"""Their ids are the odd numbers up to 255 (PS3.8 9.3.2.2)."""

_OTHERS = {context.abstract_syntax for context in AllStoragePresentationContexts} - STORAGE_CLASSES

CLASSES = (*sorted(STORAGE_CLASSES), *sorted(_OTHERS))[:_MOST_CONTEXTS]
"""As a PACS proposes that stores everything: the classes that the node takes come first."""

SYNTAXES = (EXPLICIT_VR_LE, "1.2.840.10008.1.2", "1.2.840.10008.1.2.4.70", "1.2.840.10008.1.2.4.80")


@contextmanager
def opened(port: int, called: str, count: int) -> Iterator[float]:
    """Open so many associations, one after the other, and keep them; give the seconds that took.

    Each waits for the acceptance of the one before, as a single modality would: what is measured
    is the acceptor alone, and its answers. Requests are encoded before the clock starts.
    """
    for n in range(count):
        request_bytes(called, f"PEER{n}", CLASSES, SYNTAXES)
    with ExitStack() as stack:
        start = time.perf_counter()
        held = [
            stack.enter_context(Requestor(port, called, f"PEER{n}", CLASSES, SYNTAXES))
            for n in range(count)
        ]
        took = time.perf_counter() - start
        yield took
        for association in held:
            association.release()
