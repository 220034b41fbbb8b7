"""Take objects in (STOW-RS, PS3.18 10.5), as any that are sent: kept first, then told of."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from anyio import CapacityLimiter, fail_after, from_thread, to_thread
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from dicomnode.metrics.counted import refused as count_refused
from dicomnode.receive.command_sets import OUT_OF_RESOURCES, SOP_CLASS_NOT_SUPPORTED
from dicomnode.receive.encoded import InvalidInstance
from dicomnode.receive.intake import Announced, Intake, Refused
from dicomnode.receive.part10_stream import split_head, uid_in
from dicomnode.receive.sop_classes import STORAGE_CLASSES, transfer_syntaxes
from dicomnode.store.received import ReceivedInstance
from dicomnode.store.uid import is_valid_uid
from dicomnode.web.dicomweb.addresses import Addresses
from dicomnode.web.dicomweb.looks import Looks
from dicomnode.web.dicomweb.media_types import (
    DICOM,
    DICOM_JSON,
    JSON,
    Offer,
    choose,
    content_type,
)
from dicomnode.web.dicomweb.multipart_in import NotMultipart, Parts
from dicomnode.web.dicomweb.problem import ALWAYS, Problem, quoted

logger = logging.getLogger(__name__)

PROCESSING_FAILURE = 0x0110
SYNTAX_NOT_SUPPORTED = 0xC122
"""Failure reasons besides those of a C-STORE (PS3.18 Table I.2-2)."""

MOST_PARTS = 5000
"""Of one request."""

_AT_ONCE = 4
_WAITING = 16
_PATIENCE_S = 60
_AGAIN_S = "30"
_FROM_WEB = "STOW-RS"


@dataclass
class Outcome:
    """What became of the objects of one request.

    Attributes
    ----------
    stored : list of ReceivedInstance
    failed : list of (SOP Class UID, SOP Instance UID, reason)
        Of objects that said who they are.
    others : list of int
        Reasons of parts that did not.
    problem : Problem or None
        Why the request was not read to its end.
    """

    stored: list[ReceivedInstance] = field(default_factory=list)
    failed: list[tuple[str, str, int]] = field(default_factory=list)
    others: list[int] = field(default_factory=list)
    problem: Problem | None = None

    @property
    def parts(self) -> int:
        """How many objects came."""
        return len(self.stored) + len(self.failed) + len(self.others)

    @property
    def status(self) -> int:
        """Of HTTP (PS3.18 Table 10.5.3-1)."""
        if self.problem is not None:
            return self.problem.status
        reasons = [reason for *_, reason in self.failed] + self.others
        if not reasons:
            return 200
        if self.stored:
            return 202
        # All of it may be sent again, as it is.
        return 503 if all(reason >> 8 == OUT_OF_RESOURCES >> 8 for reason in reasons) else 409

    def model(self, addresses: Addresses, request: Request) -> dict[str, Any]:
        """The response module (PS3.18 Table 10.5.3-2), as DICOM JSON."""
        model: dict[str, Any] = {}
        studies = {one.header.study_instance_uid for one in self.stored}
        if len(studies) == 1:
            model["00081190"] = _value("UR", addresses.of(request, *studies))
        if self.failed:
            model["00081198"] = _value(
                "SQ",
                *(
                    {
                        "00081150": _value("UI", sop_class),
                        "00081155": _value("UI", instance),
                        "00081197": _value("US", reason),
                    }
                    for sop_class, instance, reason in self.failed
                ),
            )
        if self.stored:
            model["00081199"] = _value(
                "SQ", *(_stored(one, addresses, request) for one in self.stored)
            )
        if self.others:
            model["0008119A"] = _value(
                "SQ", *({"00081197": _value("US", reason)} for reason in self.others)
            )
        return model


class Storing:
    """Answers requests that bring objects.

    Parameters
    ----------
    intake : Intake
    ae_title : str
        The node's own, noted in what is stored.
    most_object_bytes, most_request_bytes : int
    addresses : Addresses
    looks : Looks
        Told of each study that something was stored in.
    """

    def __init__(
        self,
        intake: Intake,
        ae_title: str,
        most_object_bytes: int,
        most_request_bytes: int,
        addresses: Addresses,
        looks: Looks,
    ) -> None:
        self._intake = intake
        self._ae_title = ae_title
        self._most_object = most_object_bytes
        self._most_request = most_request_bytes
        self._addresses = addresses
        self._looks = looks
        self._limiter = CapacityLimiter(_AT_ONCE)

    async def answer(self, request: Request, study: str | None) -> Response:
        """Take what a request brings, and say what became of it.

        Parameters
        ----------
        request : Request
        study : str or None
            The one study that objects may be of.

        Raises
        ------
        Problem
            Before anything was read.
        """
        media = choose(request, (Offer(DICOM_JSON), Offer(JSON))).offer.media
        boundary = _boundary(request)
        announced = request.headers.get("content-length", "")
        if announced.isdigit() and len(announced) < 20 and int(announced) > self._most_request:
            raise self._too_large()
        if self._limiter.statistics().tasks_waiting >= _WAITING:
            raise Problem(503, "too many requests bring objects", {"Retry-After": _AGAIN_S})
        self._addresses.service(request)  # a wrong Host is no reason to store first
        stream = aiter(request.stream())

        async def next_chunk() -> bytes | None:
            with fail_after(_PATIENCE_S):
                return await anext(stream, None)

        def take() -> Outcome:
            return self._take(request, _chunks(next_chunk), boundary, study)

        outcome = await to_thread.run_sync(take, limiter=self._limiter)
        headers = dict(ALWAYS)
        if outcome.status == 503:
            headers["Retry-After"] = _AGAIN_S
        if outcome.problem is not None:
            if not outcome.parts:
                raise outcome.problem
            # What was stored before is said all the same: a client need not send it again.
            service = self._addresses.service(request)
            headers["Warning"] = f'299 {service} "{outcome.problem.text}"'
        body = json.dumps(outcome.model(self._addresses, request))
        return Response(body, outcome.status, headers, media)

    def _take(
        self, request: Request, chunks: Iterator[bytes], boundary: str | None, study: str | None
    ) -> Outcome:
        outcome = Outcome()
        try:
            parts: Iterable[tuple[Mapping[str, str], Iterator[bytes]]]
            bounded = self._bounded(chunks)
            parts = [({}, bounded)] if boundary is None else Parts(bounded, boundary)
            for headers, content in parts:
                if outcome.parts >= MOST_PARTS:
                    raise Problem(
                        413, f"more than {MOST_PARTS} parts; send them in several requests"
                    )
                self._take_part(request, headers, content, study, outcome)
            if not outcome.parts:
                raise Problem(400, "found no part, expected at least one object")
        except Problem as problem:
            outcome.problem = problem
        except NotMultipart as error:
            outcome.problem = Problem(400, f"the message is no multipart one: {error}")
        except TimeoutError:
            outcome.problem = Problem(408, f"nothing came for {_PATIENCE_S} s")
        except ClientDisconnect:
            outcome.problem = Problem(400, "the message ended early")
        for uid in {one.header.study_instance_uid for one in outcome.stored}:
            self._looks.tell(request, "write", uid)
        return outcome

    def _take_part(
        self,
        request: Request,
        headers: Mapping[str, str],
        content: Iterator[bytes],
        study: str | None,
        outcome: Outcome,
    ) -> None:
        kind = content_type(headers.get("content-type", DICOM))[0]
        if kind != DICOM:
            raise Problem(415, f"a part is {quoted(kind)}, expected {DICOM}")
        sop_class = instance = ""
        sender = _as_ae_title(request.user.display_name)
        try:
            meta, data_set = split_head(self._within_bounds(content))
            sop_class, instance = uid_in(meta, 0x00020002), uid_in(meta, 0x00020003)
            announced = Announced(
                sop_class,
                instance,
                uid_in(meta, 0x00020010),
                sender,
                self._ae_title,
                study_instance_uid=study,
            )
            _check(announced)
            outcome.stored.append(self._intake.keep(announced, data_set))
        except InvalidInstance as error:
            outcome.others.append(error.status)
            _log(instance, sender, error.status, error.reason)
        except Refused as refused:
            status = refused.status
            if status == SOP_CLASS_NOT_SUPPORTED or instance:
                outcome.failed.append((sop_class, instance, status))
            else:
                outcome.others.append(status)
            _log(instance, sender, status, refused.reason)

    def _within_bounds(self, content: Iterator[bytes]) -> Iterator[bytes]:
        size = 0
        for piece in content:
            size += len(piece)
            if size > self._most_object:
                raise Refused(PROCESSING_FAILURE, f"more than {self._most_object} bytes")
            yield piece

    def _bounded(self, chunks: Iterator[bytes]) -> Iterator[bytes]:
        size = 0
        for chunk in chunks:
            size += len(chunk)
            if size > self._most_request:
                raise self._too_large()
            yield chunk

    def _too_large(self) -> Problem:
        mb = self._most_request // 2**20
        return Problem(413, f"more than {mb} MB; send the objects in several requests")


def _chunks(next_chunk: Any) -> Iterator[bytes]:
    """What comes by the event loop, for a thread that waits for it."""
    while (chunk := from_thread.run(next_chunk)) is not None:
        if chunk:
            yield chunk


def _boundary(request: Request) -> str | None:
    """Of a message of several parts; None of one that is a single object."""
    kind, parameters = content_type(request.headers.get("content-type", ""))
    if kind == DICOM:
        return None
    inner = parameters.get("type", "").lower()
    if kind != "multipart/related" or inner not in ("", DICOM):
        found = f"{kind}; type={inner}" if inner else kind
        raise Problem(415, f'found {quoted(found)}, expected multipart/related; type="{DICOM}"')
    boundary = parameters.get("boundary", "")
    if not 0 < len(boundary) <= 70 or not boundary.isascii():
        raise Problem(400, "Content-Type has no boundary by RFC 2046 5.1.1")
    return boundary


def _check(announced: Announced) -> None:
    """Refuse a class or transfer syntax that an association would not have been given."""
    if announced.sop_class_uid not in STORAGE_CLASSES:
        raise Refused(SOP_CLASS_NOT_SUPPORTED, "the SOP class is not one that the node stores")
    if announced.transfer_syntax_uid not in transfer_syntaxes(announced.sop_class_uid):
        raise Refused(SYNTAX_NOT_SUPPORTED, "the transfer syntax is not one that the node takes")


def _as_ae_title(user: str) -> str:
    """Who brought it, where an AE title is noted of others (PS3.5 6.2, AE)."""
    kept = "".join("_" if c == "\\" or not c.isprintable() or not c.isascii() else c for c in user)
    return kept.strip()[:16].strip() or _FROM_WEB


def _log(instance: str, sender: str, status: int, reason: str) -> None:
    count_refused("instance", status)
    logger.warning(
        "instance.refused status=0x%04X sop=%s calling=%s reason=%s",
        status,
        instance if is_valid_uid(instance) else "unknown",
        sender,
        reason,
    )


def _stored(one: ReceivedInstance, addresses: Addresses, request: Request) -> dict[str, Any]:
    header = one.header
    uids = (header.study_instance_uid, header.series_instance_uid, header.sop_instance_uid)
    return {
        "00081150": _value("UI", header.sop_class_uid),
        "00081155": _value("UI", header.sop_instance_uid),
        "00081190": _value("UR", addresses.of(request, *uids)),
    }


def _value(vr: str, *values: Any) -> dict[str, Any]:
    return {"vr": vr, "Value": list(values)}
