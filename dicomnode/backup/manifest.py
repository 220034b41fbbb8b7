"""What a backup holds: every file with its length and digest. It is written last."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath

from dicomnode.store.files import write_durably

NAME = "manifest.json"
FORMAT = 1
DATABASE = "node.sqlite"
CONFIGURATION = "node.toml"
STORE = "store"
"""Folder of the backup that has the files of the store, under the names that they have there."""

_BLOCK = 2**20


class BrokenBackup(ValueError):
    """A backup that is not whole, or was changed; the text says what was found."""


@dataclass(frozen=True)
class SavedFile:
    """One file of a backup.

    Attributes
    ----------
    path : str
        Below the backup's folder, with slashes.
    size : int
        Bytes.
    sha256 : str
        Digest of its content, in hexadecimal digits.
    """

    path: str
    size: int
    sha256: str

    def __post_init__(self) -> None:
        parts = PurePosixPath(self.path).parts
        # A manifest that was tampered with must not make restore write elsewhere.
        if not parts or PurePosixPath(self.path).is_absolute() or ".." in parts:
            raise BrokenBackup(f"found the path {self.path!r}, expected one below the backup")


@dataclass(frozen=True)
class Manifest:
    """What a backup holds.

    Attributes
    ----------
    software : str
        Version of the software that made it.
    revision : str
        Version of its tables.
    made_at : float
        When the database was copied, in seconds since 1970.
    root : str
        Where the store lay; rows name files by paths below it.
    missing : int
        Files that rows name and that were not on disk.
    files : tuple of SavedFile
    """

    software: str
    revision: str
    made_at: float
    root: str
    missing: int
    files: tuple[SavedFile, ...]

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(file.size for file in self.files)

    def write(self, folder: Path) -> None:
        """Write it durably: from then on the backup counts.

        Raises
        ------
        dicomnode.store.files.StorageError
        """
        content = asdict(self) | {"format": FORMAT}
        content["digest"] = _digest_of(content)
        text = json.dumps(content, indent=1, sort_keys=True)
        write_durably(folder / NAME, lambda file: file.write(text.encode()))

    @classmethod
    def read(cls, folder: Path) -> Manifest:
        """Read the manifest of a backup; its files are not looked at.

        Raises
        ------
        BrokenBackup
            If there is none, or it is not as it was written.
        OSError
            If it cannot be read.
        """
        try:
            content = json.loads((folder / NAME).read_bytes())
        except FileNotFoundError:
            raise BrokenBackup(
                f"{folder}: found no {NAME}: it is no backup, or one that was not finished"
            ) from None
        except ValueError:
            raise BrokenBackup(f"{folder}: {NAME} is damaged: it is no JSON") from None
        if not isinstance(content, dict) or content.get("format") != FORMAT:
            raise BrokenBackup(f"{folder}: {NAME} is not of format {FORMAT}, which is expected")
        digest = content.pop("digest", None)
        if digest != _digest_of(content):
            raise BrokenBackup(f"{folder}: {NAME} is not as it was written: its digest is another")
        del content["format"]
        content["files"] = tuple(SavedFile(**file) for file in content["files"])
        return cls(**content)

    def problems(self, folder: Path) -> Iterator[str]:
        """Read every file of the backup; say of each that is not as it was what was found."""
        for file in self.files:
            path = folder / file.path
            try:
                size = path.stat().st_size
                if size != file.size:
                    yield f"{file.path}: found {size} bytes, expected {file.size}"
                elif digest_of(path) != file.sha256:
                    yield f"{file.path}: its digest is another than when it was written"
            except FileNotFoundError:
                yield f"{file.path}: is not there"
            except OSError as error:
                yield f"{file.path}: cannot be read: {error.strerror}"


def digest_of(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal digits."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def copy_with_digest(source: Path, target: Path) -> tuple[int, str]:
    """Copy a file, readable by its owner alone; give its bytes and its SHA-256.

    Raises
    ------
    FileNotFoundError
        If the source is not there; nothing is written then.
    OSError
    """
    digest, size = hashlib.sha256(), 0
    with open(source, "rb") as original:
        target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with open(target, "wb", opener=_private) as copy:
            while block := original.read(_BLOCK):
                digest.update(block)
                copy.write(block)
                size += len(block)
    return size, digest.hexdigest()


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def _digest_of(content: dict[str, object]) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
