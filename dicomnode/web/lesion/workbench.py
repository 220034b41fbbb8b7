"""A worker process of the page's own: other methods' results on demand."""

from __future__ import annotations

import hashlib
import logging
import tempfile
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import CancelledError, Future
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TypeVar

import highdicom as hd
import numpy as np
import numpy.typing as npt
from sqlalchemy.orm import Session

from dicomnode.faults import describe_fault
from dicomnode.jobs.engine import ProcessEngine
from dicomnode.jobs.lesion_queue import Folders, segment_request
from dicomnode.jobs.segment import SegmentRequest, segment
from dicomnode.jobs.worker import Limits
from dicomnode.routing.networks import network_problem
from dicomnode.store.tables import Lesion
from models import REGISTRY
from pipelines.errors import SegmentationError
from pipelines.matting import METHODS
from pipelines.networks.options import NetworkOptions
from pipelines.parameters import known_methods
from pipelines.soft_mask import SoftMask

logger = logging.getLogger(__name__)

Answer = TypeVar("Answer")

_LIMITS = Limits(seconds=300, memory_mb=8192)
_KEPT = 64


class NotComputed(RuntimeError):
    """A result that was asked for could not be computed; says why."""


class Workbench:
    """Computes what somebody at the page asks for, beside the node's own work.

    What it computes is kept in a folder of its own until it stops, and published nowhere.

    Parameters
    ----------
    networks : NetworkOptions, optional
        What networks run on.
    limits : Limits, optional
        Of one computation.
    """

    def __init__(self, networks: NetworkOptions | None = None, limits: Limits = _LIMITS) -> None:
        self._networks = networks or NetworkOptions()
        self._engine = ProcessEngine(1, limits=limits, stop_s=0.0)
        self._folder = tempfile.TemporaryDirectory(prefix="dicomnode-page-")
        self._lock = threading.Lock()
        self._asked: dict[Path, Future] = {}
        self._ready: Future[None] | None = None

    @cached_property
    def methods(self) -> Sequence[str]:
        """Names of the methods that can be run on this machine."""
        return tuple(m for m in known_methods() if network_problem(m, self._networks) is None)

    def warm_up(self) -> Future[None]:
        """Start the worker and let it compile, or load, what the matting methods run on; once.

        One method after the other: what somebody asks for meanwhile waits for one at most. Networks
        are left for who asks for them, for their libraries take memory.

        Returns
        -------
        Future
            Done when the worker is as ready as it gets.
        """
        with self._lock:
            if self._ready is not None:
                return self._ready
            self._ready = Future()
        self._warm_up_for(iter(METHODS))
        return self._ready

    def _warm_up_for(self, methods: Iterator[str]) -> None:
        method = next(methods, None)
        try:
            if method is not None:
                # A method that cannot be warmed up says why to who asks for it.
                self._engine.submit(_warmed_up, method).add_done_callback(
                    lambda _: self._warm_up_for(methods)
                )
                return
        except RuntimeError:  # The engine has been stopped.
            pass
        self._ready.set_result(None)

    def request(self, session: Session, lesion: Lesion, method: str) -> SegmentRequest:
        """Say what another method is to be run on: the same slices and the same mark."""
        folder = Path(self._folder.name)
        request = segment_request(session, lesion, Folders(folder, folder), self._networks)
        name = hashlib.sha256(f"{request.target.name} {lesion.id} {method}".encode()).hexdigest()
        return replace(
            request,
            method=method,
            parameters={} if method in REGISTRY else request.parameters,
            target=folder / f"{name}.npz",
        )

    def segment(self, request: SegmentRequest) -> SoftMask:
        """Run a request of `request`, or read what it gave before; who asks meanwhile waits.

        Raises
        ------
        NotComputed
            If there is no result.
        """
        with self._lock:
            answer = self._asked.get(request.target)
            if answer is None or (answer.done() and (answer.cancelled() or answer.exception())):
                while len(self._asked) >= _KEPT:
                    oldest = next(iter(self._asked))
                    del self._asked[oldest]
                answer = self._asked[request.target] = self._engine.submit(segment, request)
        _computed(answer)
        return SoftMask.load(request.target)

    def mend(self, crop: hd.Volume, trimap: npt.NDArray[np.uint8], before: SoftMask) -> SoftMask:
        """Matte again within a mended trimap (`soft_mask_from_trimap`).

        Raises
        ------
        NotComputed
            If there is no result.
        """
        return _computed(self._engine.submit(_mended, crop, trimap, before))

    def stop(self) -> None:
        """End the worker, and delete what it computed. Safe to repeat."""
        self._engine.stop()
        self._folder.cleanup()


def _warmed_up(method: str) -> None:
    import dicomnode.jobs.segment  # noqa: F401
    from pipelines.readiness import segment_a_ball

    segment_a_ball(method)


def _mended(crop: hd.Volume, trimap: npt.NDArray[np.uint8], before: SoftMask) -> SoftMask:
    # In the worker: the node itself starts sooner without what computes.
    from pipelines.lesion import soft_mask_from_trimap

    return soft_mask_from_trimap(crop, trimap, before)


def _computed(answer: Future[Answer]) -> Answer:
    try:
        return answer.result()
    except SegmentationError as error:
        raise NotComputed(str(error)) from None
    except (Exception, CancelledError) as error:
        fault = describe_fault(error)
        logger.warning("web.not_computed %s", fault)
        raise NotComputed(f"computing failed: {fault}") from None
