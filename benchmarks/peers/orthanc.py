"""Debian's Orthanc as the PACS, with a store of its own in a folder."""

from __future__ import annotations

import json
import shutil
import subprocess
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

from benchmarks.peers.ports import free_port, wait_for_port

PROGRAM = shutil.which("Orthanc", path="/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin")


class Orthanc:
    """One Orthanc process.

    Parameters
    ----------
    folder : Path
        For its configuration, database and log.
    dicom_port : int
        0 takes a free one.
    **options
        Entries of Orthanc's configuration that differ from the ones here.
    """

    AE_TITLE = "ORTHANC"

    def __init__(self, folder: Path, dicom_port: int = 0, **options: Any) -> None:
        self.folder = folder
        self.dicom_port = dicom_port or free_port()
        self.http_port = free_port()
        self._options = options
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start, and wait until it listens."""
        self.folder.mkdir(parents=True, exist_ok=True)
        configuration = {
            "Name": "PACS",
            "StorageDirectory": str(self.folder / "store"),
            "IndexDirectory": str(self.folder / "store"),
            "DicomAet": self.AE_TITLE,
            "DicomPort": self.dicom_port,
            "HttpPort": self.http_port,
            "RemoteAccessAllowed": False,
            "AuthenticationEnabled": False,
            "DicomAlwaysAllowStore": True,
            "Plugins": [],
        } | self._options
        path = self.folder / "orthanc.json"
        path.write_text(json.dumps(configuration))
        with open(self.folder / "orthanc.log", "ab") as log:
            self._process = subprocess.Popen(
                [PROGRAM, str(path)],
                stdout=log,
                stderr=log,
                env={"TCP_NODELAY": "1", "PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8"},
            )
        wait_for_port(self.dicom_port)
        wait_for_port(self.http_port)

    def stop(self) -> None:
        """Stop it in order."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait(30)
            self._process = None

    def kill(self) -> None:
        """Kill it at once."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    @property
    def port(self) -> int:
        """Where it takes associations."""
        return self.dicom_port

    @property
    def pid(self) -> int:
        """Of the process."""
        return self._process.pid

    def ask(self, path: str, body: object | None = None) -> Any:
        """Give Orthanc's JSON answer to a GET, or to a POST of `body`."""
        return json.loads(self.fetch(path, body))

    def fetch(self, path: str, body: object | None = None) -> bytes:
        """Give the bytes of the answer."""
        data = None if body is None else json.dumps(body).encode()
        with urllib.request.urlopen(f"http://127.0.0.1:{self.http_port}{path}", data) as answer:
            return answer.read()

    def introduce(self, name: str, ae_title: str, port: int) -> None:
        """Tell it of a peer on loopback, as which it sends and lets retrieve."""
        body = json.dumps({"AET": ae_title, "Host": "127.0.0.1", "Port": port}).encode()
        address = f"http://127.0.0.1:{self.http_port}/modalities/{name}"
        request = urllib.request.Request(address, body, method="PUT")
        urllib.request.urlopen(request).close()

    def delete(self, sop_instance_uid: str) -> None:
        """Delete an instance."""
        query = {"Level": "Instance", "Query": {"SOPInstanceUID": sop_instance_uid}}
        (orthanc_id,) = self.ask("/tools/find", query)
        address = f"http://127.0.0.1:{self.http_port}/instances/{orthanc_id}"
        urllib.request.urlopen(urllib.request.Request(address, method="DELETE")).close()

    def ask_commitment(self, name: str, references: Sequence[tuple[str, str]]) -> str:
        """Ask a peer for storage commitment of (SOP Class UID, SOP Instance UID); its path here."""
        wanted = [{"SOPClassUID": c, "SOPInstanceUID": i} for c, i in references]
        body = {"DicomInstances": wanted}
        return self.ask(f"/modalities/{name}/storage-commitment", body)["Path"]

    def forget(self, name: str) -> None:
        """Tell it that a peer is known no longer."""
        address = f"http://127.0.0.1:{self.http_port}/modalities/{name}"
        urllib.request.urlopen(urllib.request.Request(address, method="DELETE")).close()

    def count(self) -> int:
        """Instances stored."""
        return int(self.ask("/statistics")["CountInstances"])

    def find(self, modality: str) -> list[str]:
        """Orthanc ids of the instances of a modality."""
        query = {"Level": "Instance", "Query": {"Modality": modality}}
        return self.ask("/tools/find", query)

    def save(self, orthanc_id: str, folder: Path) -> Path:
        """Write an instance's file to a folder."""
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{orthanc_id}.dcm"
        path.write_bytes(self.fetch(f"/instances/{orthanc_id}/file"))
        return path

    def __enter__(self) -> Self:
        """Start."""
        self.start()
        return self

    def __exit__(self, *exception: object) -> None:
        """Stop."""
        self.stop()
