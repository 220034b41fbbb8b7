"""A stand-in for a PACS: keeps what it is sent, on loopback only."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Self

from pydicom.dataset import Dataset
from pydicom.uid import (
    UID,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEGLSLossless,
    SegmentationStorage,
)
from pynetdicom import AE, evt
from pynetdicom.sop_class import Verification


class StandInPacs:
    """A Storage SCP, for segmentations unless told otherwise.

    Parameters
    ----------
    folder : Path
        Gets each object as ``<sop instance uid>.dcm``.
    takes_jpeg_ls : bool
        Whether compressed objects are accepted.
    status, comment : int, str
        What every C-STORE is answered with; an object is kept only under success.
    port : int
        0 takes a free one.
    sop_classes : sequence of UID
        What it takes.
    """

    AE_TITLE = "STANDINPACS"

    def __init__(
        self,
        folder: Path,
        *,
        takes_jpeg_ls: bool = True,
        status: int = 0x0000,
        comment: str = "",
        port: int = 0,
        sop_classes: Sequence[UID] = (SegmentationStorage,),
    ) -> None:
        self.folder = folder
        self._answer = Dataset()
        self._answer.Status = status
        if comment:
            self._answer.ErrorComment = comment
        self._port = port
        self.arrivals: dict[str, float] = {}
        """SOP Instance UID to the moment of its acceptance, seconds since 1970."""
        self._arrived = threading.Condition()
        self._ae = AE(ae_title=self.AE_TITLE)
        self._ae.add_supported_context(Verification)
        syntaxes = [ExplicitVRLittleEndian, ImplicitVRLittleEndian]
        if takes_jpeg_ls:
            syntaxes.append(JPEGLSLossless)
        for sop_class in sop_classes:
            self._ae.add_supported_context(sop_class, syntaxes)

    @property
    def port(self) -> int:
        """The port that it listens on."""
        return self._server.socket.getsockname()[1]

    def wait_for(self, count: int, timeout_s: float) -> bool:
        """Wait until so many objects are here; False where the time runs out first."""
        with self._arrived:
            return self._arrived.wait_for(lambda: len(self.arrivals) >= count, timeout_s)

    def path(self, sop_instance_uid: str) -> Path:
        """Where an object is kept."""
        return self.folder / f"{sop_instance_uid}.dcm"

    def __enter__(self) -> Self:
        """Listen."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self._server = self._ae.start_server(
            ("127.0.0.1", self._port), block=False, evt_handlers=[(evt.EVT_C_STORE, self._keep)]
        )
        return self

    def __exit__(self, *exception: object) -> None:
        """Stop."""
        self._server.shutdown()

    def _keep(self, event: evt.Event) -> Dataset:
        if self._answer.Status != 0x0000:
            return self._answer
        uid = str(event.request.AffectedSOPInstanceUID)
        self.path(uid).write_bytes(event.encoded_dataset())
        with self._arrived:
            self.arrivals[uid] = time.time()
            self._arrived.notify_all()
        return self._answer
