"""Tokens that people and programs show: a file of their hashes."""

from __future__ import annotations

import fcntl
import hashlib
import hmac
import logging
import os
import re
import secrets
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

from dicomnode.settings.web import RoleName, WebSettings

logger = logging.getLogger(__name__)

_ROLES = get_args(RoleName)
_PREFIX = "dicomnode"
_TOKEN = re.compile(rf"{_PREFIX}-([0-9a-f]{{12}})-([A-Za-z0-9_-]{{43}})")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,63}")
_LOG2_N, _R, _P = 14, 8, 1
"""Of scrypt (RFC 7914): 16 MiB and some tens of milliseconds a guess."""
_HEAD = "# Tokens of the web service, written by `dicomnode token`. Hashes only.\n"


class TokensError(ValueError):
    """The file of tokens is not as `dicomnode token` writes it, or a request makes no sense."""


@dataclass(frozen=True)
class Token:
    """What is kept of a token.

    Attributes
    ----------
    key : str
        Its public part, which finds the line.
    name : str
        Whose it is.
    role : str
    made_at, ends_at : float
        Seconds since 1970; `ends_at` 0 for a token without an end.
    digest : str
        Parameters of scrypt, salt and hash.
    """

    key: str
    name: str
    role: RoleName
    made_at: float
    ends_at: float
    digest: str

    def holds(self) -> bool:
        """Whether it has not ended."""
        return not self.ends_at or time.time() < self.ends_at


class TokenFile:
    """Reads and changes the file; a change is in force at once, also in other processes.

    Parameters
    ----------
    path : Path
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.Lock()
        self._guessing = threading.Lock()
        self._seen: tuple[int, int, int] | None = None
        self._tokens: dict[str, Token] = {}
        self._proved: dict[bytes, str] = {}
        self._pepper = secrets.token_bytes(32)

    def all(self) -> tuple[Token, ...]:
        """Every token, in the order in which they were made.

        Raises
        ------
        OSError
            If the file is there and cannot be read.
        TokensError
        """
        with self._lock:
            self._read()
            return tuple(self._tokens.values())

    def find(self, key: str) -> Token | None:
        """The token with this public part, if it still holds; None also where the file is bad."""
        with self._lock:
            self._try_to_read()
            token = self._tokens.get(key)
        return token if token is not None and token.holds() else None

    def remembered(self, shown: str) -> Token | None:
        """The token, if the same text was found right before and it still holds.

        So that a viewer's thousand requests cost one hash each, and not one scrypt.
        """
        with self._lock:
            self._try_to_read()
            token = self._tokens.get(self._proved.get(self._short(shown), ""))
        return token if token is not None and token.holds() else None

    def check(self, shown: str) -> Token | None:
        """The token that this text is; None where it is none. Takes tens of milliseconds.

        As long for a token that is unknown as for one that is wrong. One text at a time, so that
        many guesses take no more memory than one.
        """
        found = _TOKEN.fullmatch(shown)
        with self._lock:
            self._try_to_read()
            token = None if found is None else self._tokens.get(found[1])
        # Those who are remembered do not wait for those who guess.
        with self._guessing:
            right = _is_right(shown, _NOBODY if token is None else token.digest)
        if token is None or not right or not token.holds():
            return None
        with self._lock:
            self._try_to_read()
            if self._tokens.get(token.key) != token:  # Revoked meanwhile.
                return None
            self._proved[self._short(shown)] = token.key
        return token

    def add(self, name: str, role: str, days: float | None = None) -> str:
        """Make a token and give its text, which is nowhere else.

        Raises
        ------
        OSError
            If the file cannot be written.
        TokensError
            If the name or role is none, or the file is not as it should be.
        """
        if not _NAME.fullmatch(name):
            raise TokensError(
                f"found the name {name!r}, expected up to 64 letters, digits and . _ @ -"
            )
        if role not in _ROLES:
            raise TokensError(f"found the role {role!r}, expected one of {', '.join(_ROLES)}")
        key = secrets.token_hex(6)
        shown = f"{_PREFIX}-{key}-{secrets.token_urlsafe(32)}"
        now = time.time()
        ends_at = 0.0 if days is None else now + days * 86400
        with self._changing() as tokens:
            tokens[key] = Token(key, name, role, now, ends_at, _digest(shown))
        return shown

    def revoke(self, key_or_name: str) -> tuple[Token, ...]:
        """Take away a token, or all of a name; sessions that they began end with them.

        Raises
        ------
        OSError, TokensError
        """
        with self._changing() as tokens:
            gone = tuple(t for t in tokens.values() if key_or_name in (t.key, t.name))
            for token in gone:
                del tokens[token.key]
        return gone

    @contextmanager
    def _changing(self) -> Iterator[dict[str, Token]]:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        owner = self.path.parent.stat()
        folder = os.open(self.path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            fcntl.flock(folder, fcntl.LOCK_EX)
            with self._lock:
                self._read()
                self._seen = None  # What is changed here is read again, also where writing fails.
                yield self._tokens
                part = self.path.with_name(self.path.name + ".part")
                part.unlink(missing_ok=True)
                descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
                with os.fdopen(descriptor, "w", encoding="ascii") as file:
                    if os.geteuid() == 0:  # The node runs as who owns the folder.
                        os.fchown(file.fileno(), owner.st_uid, owner.st_gid)
                    file.write(_HEAD)
                    file.writelines(_line(token) for token in self._tokens.values())
                    file.flush()
                    os.fsync(file.fileno())
                part.replace(self.path)
                os.fsync(folder)
        finally:
            os.close(folder)

    def _short(self, shown: str) -> bytes:
        return hmac.digest(self._pepper, shown.encode("utf-8", "surrogatepass"), "sha256")

    def _try_to_read(self) -> None:
        try:
            self._read()
        except (OSError, TokensError) as error:
            # Nobody is let in by a file that may say anything.
            if self._tokens or self._seen != (0, 0, 0):
                reason = error if isinstance(error, TokensError) else error.strerror
                logger.error("web.tokens_unread reason=%s", reason)
            self._tokens, self._seen = {}, (0, 0, 0)
            self._proved.clear()

    def _read(self) -> None:
        try:
            found = self.path.stat()
        except FileNotFoundError:
            self._tokens, self._seen = {}, None
            self._proved.clear()
            return
        seen = (found.st_mtime_ns, found.st_ino, found.st_size)
        if seen == self._seen:
            return
        lines = self.path.read_text(encoding="utf-8", errors="replace").splitlines()
        tokens = [_token(line, n) for n, line in enumerate(lines, 1) if line[:1] not in ("", "#")]
        self._tokens = {token.key: token for token in tokens}
        self._seen = seen
        self._proved.clear()


def tokens_path(settings: WebSettings, store: Path) -> Path:
    """Where the file of tokens lies.

    Parameters
    ----------
    settings : WebSettings
    store : Path
        The store's folder.
    """
    return settings.tokens_file or store / "web-tokens"


def _line(token: Token) -> str:
    return (
        f"{token.key} {token.name} {token.role} {token.made_at:.0f} {token.ends_at:.0f} "
        f"{token.digest}\n"
    )


def _token(line: str, number: int) -> Token:
    parts = line.split()
    try:
        key, name, role, made_at, ends_at, digest = parts
        if role not in _ROLES or not _NAME.fullmatch(name):
            raise ValueError
        _parameters(digest)
        return Token(key, name, role, float(made_at), float(ends_at), digest)
    except ValueError:
        raise TokensError(f"line {number} is no token of this software's") from None


def _digest(shown: str) -> str:
    salt = secrets.token_bytes(16)
    found = _scrypt(shown, salt, _LOG2_N, _R, _P)
    return f"scrypt:{_LOG2_N}:{_R}:{_P}:{salt.hex()}:{found.hex()}"


def _parameters(digest: str) -> tuple[int, int, int, bytes, bytes]:
    kind, log2_n, r, p, salt, found = digest.split(":")
    if kind != "scrypt" or int(log2_n) > 20 or int(r) > 16 or int(p) > 4:
        raise ValueError
    return int(log2_n), int(r), int(p), bytes.fromhex(salt), bytes.fromhex(found)


def _is_right(shown: str, digest: str) -> bool:
    log2_n, r, p, salt, expected = _parameters(digest)
    return hmac.compare_digest(_scrypt(shown, salt, log2_n, r, p), expected)


def _scrypt(shown: str, salt: bytes, log2_n: int, r: int, p: int) -> bytes:
    text = shown.encode("utf-8", "surrogatepass")
    return hashlib.scrypt(text, salt=salt, n=2**log2_n, r=r, p=p, maxmem=2**28, dklen=32)


_NOBODY = f"scrypt:{_LOG2_N}:{_R}:{_P}:{'00' * 16}:{'00' * 32}"
