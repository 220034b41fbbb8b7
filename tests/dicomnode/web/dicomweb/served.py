"""A DICOMweb service over a store of its own, asked over a real socket."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import requests
from pydicom.dataset import Dataset
from starlette.applications import Starlette
from starlette.authentication import AuthCredentials, AuthenticationBackend, SimpleUser
from starlette.middleware import Middleware
from starlette.middleware.authentication import AuthenticationMiddleware

from dicomnode.receive.header import read_file
from dicomnode.receive.intake import Announced, Intake
from dicomnode.receive.pressure import Pressure
from dicomnode.receive.sop_classes import CT_CLASSES
from dicomnode.settings.web import WebSettings
from dicomnode.store.database import Database
from dicomnode.store.files import FileStore
from dicomnode.store.instances import InstanceIndex
from dicomnode.store.received import ReceivedInstance
from dicomnode.store.states import LesionState
from dicomnode.store.tables import Lesion, Result
from dicomnode.web.dicomweb import PATH, routes, storing_by
from dicomnode.web.look import Look
from dicomnode.web.service import WebService


class Badge(AuthenticationBackend):
    """Who asks is what the header ``X-Badge`` says: "name role role"; nobody without it."""

    async def authenticate(self, conn):
        name, *roles = conn.headers.get("x-badge", "").split() or [""]
        return (AuthCredentials(roles), SimpleUser(name)) if name else None


@dataclass
class Served:
    """The service, and what it did."""

    folder: Path
    database: Database
    pressure: Pressure | None = None
    most_object: int = 2**22
    most_request: int = 2**24
    looks: list[Look] = field(default_factory=list)
    stored: list[ReceivedInstance] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.files = FileStore(self.folder / "store", 0)
        index = InstanceIndex(self.database, CT_CLASSES)
        self.intake = Intake(self.files, index, self.stored.append, self.pressure)
        storing = storing_by(self.intake, "DICOMNODE", self.most_object, self.most_request)
        application = Starlette(
            routes=routes(self.database, self.looks.append, storing=storing),
            middleware=[Middleware(AuthenticationMiddleware, backend=Badge())],
        )
        self.service = WebService(WebSettings(port=0), application)

    def __enter__(self) -> Served:
        self.service.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.service.stop()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.service.port}{PATH}"

    def keep(self, *datasets: Dataset) -> None:
        """Take objects in, as the receiver does."""
        for dataset in datasets:
            path = self.folder / "sent.dcm"
            dataset.save_as(path, enforce_file_format=True)
            header = read_file(path).header
            with open(path, "rb") as file:
                file.seek(132)
                head = file.read(12)
                offset = 144 + int.from_bytes(head[8:12], "little")
            announced = Announced(
                header.sop_class_uid,
                header.sop_instance_uid,
                header.transfer_syntax_uid,
                "SENDER",
                "DICOMNODE",
            )
            self.intake.keep(announced, [path.read_bytes()[offset:]])

    def make(self, dataset: Dataset, state: LesionState = LesionState.PUBLISHED) -> int:
        """Record an object as a result of a lesion of its study."""
        path = self.folder / "store" / "results" / f"{dataset.SOPInstanceUID}.dcm"
        path.parent.mkdir(exist_ok=True)
        dataset.save_as(path, enforce_file_format=True)
        with self.database.write() as session:
            lesion = Lesion(
                mark_key=str(dataset.SOPInstanceUID),
                mark={},
                source_sop_instance_uid="1.2.3",
                study_instance_uid=str(dataset.StudyInstanceUID),
                state=state,
            )
            result = Result(
                lesion=lesion,
                kind="fractional-seg",
                sop_class_uid=str(dataset.SOPClassUID),
                sop_instance_uid=str(dataset.SOPInstanceUID),
                path=str(path),
                size=path.stat().st_size,
            )
            session.add(result)
            session.flush()
            return result.id

    def ask(
        self, path: str, accept: str | None = None, badge: str = "anna viewer", **more: Any
    ) -> requests.Response:
        """GET, or POST where there is `data`."""
        headers = {"X-Badge": badge, "Accept": accept} | more.pop("headers", {})
        method = "POST" if "data" in more else "GET"
        return requests.request(method, self.url + path, headers=headers, timeout=60, **more)

    def json(self, path: str, **more: Any) -> list[dict[str, Any]]:
        """What is answered, which must be a success."""
        answer = self.ask(path, "application/dicom+json", **more)
        assert answer.status_code == 200, answer.text
        assert answer.headers["Content-Type"] == "application/dicom+json"
        return answer.json()


def parts_of(answer: requests.Response) -> list[tuple[str, bytes]]:
    """Content-Type and content of each part of a message."""
    boundary = answer.headers["Content-Type"].partition("boundary=")[2].encode()
    found = []
    for part in answer.content.split(b"--" + boundary)[1:-1]:
        head, _, content = part.partition(b"\r\n\r\n")
        lines = dict(line.split(": ", 1) for line in head.decode().strip().split("\r\n"))
        assert content.endswith(b"\r\n")
        found.append((lines["Content-Type"], content[:-2]))
    return found


def message(contents: Sequence[bytes], boundary: str = "frontier") -> bytes:
    """A message that brings objects."""
    head = f"--{boundary}\r\nContent-Type: application/dicom\r\n\r\n".encode()
    return b"".join(head + content + b"\r\n" for content in contents) + f"--{boundary}--".encode()
