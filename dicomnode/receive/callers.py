"""Who calls the node, whether they may, and how much of it they may take.

A caller is known by its AE title, its address and its certificate. An AE title alone proves
nothing: whoever calls by one that belongs to a caller must also come from its address, with its
certificate.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_address

from dicomnode.metrics.counted import caller_rejected
from dicomnode.receive.upper_layer import (
    CALLING_AE_NOT_RECOGNISED,
    LOCAL_LIMIT_EXCEEDED,
    Rejection,
)
from dicomnode.routing.wildcard import fits
from dicomnode.tls.shown import ShownCertificate

_ANYBODY = "*"
_sleep = time.sleep


@dataclass(frozen=True)
class CallerRule:
    """What is said of one caller. What is empty or None asks for nothing.

    Attributes
    ----------
    name : str
    ae_titles : tuple of str
        Patterns of its calling AE title.
    networks : tuple
        Where it calls from.
    certificates : tuple of str
        Patterns of the names in its certificate, or ``sha256:`` and its digest in hexadecimal.
    tls : bool
        Whether it must come with TLS.
    allow : bool
        False: it is never let in.
    max_associations : int or None
        At one time.
    associations_per_minute : int or None
    max_pdu : int or None
        Bytes of the longest P-DATA-TF.
    max_object_bytes : int or None
    bytes_per_s : float or None
        Read from all of its associations together.
    """

    name: str
    ae_titles: tuple[str, ...] = (_ANYBODY,)
    networks: tuple[IPv4Network | IPv6Network, ...] = ()
    certificates: tuple[str, ...] = ()
    tls: bool = False
    allow: bool = True
    max_associations: int | None = None
    associations_per_minute: int | None = None
    max_pdu: int | None = None
    max_object_bytes: int | None = None
    bytes_per_s: float | None = None

    def is_called(self, calling_ae: str) -> bool:
        """Whether the AE title is one of its own."""
        return any(fits(calling_ae, pattern) for pattern in self.ae_titles)

    def lacks(self, address: str, certificate: ShownCertificate | None, tls: bool) -> str | None:
        """What keeps one who calls by its AE title from being it; None where nothing does."""
        if self.networks and not _within(address, self.networks):
            return "address"
        if self.tls and not tls:
            return "no-tls"
        if self.certificates and not (
            certificate is not None and certificate.is_one_of(self.certificates)
        ):
            return "certificate"
        return None


class TurnedAway(Exception):
    """An association that is rejected.

    Attributes
    ----------
    rejection : Rejection
    why : str
        In a word, for log and metrics.
    caller : str
        The rule by which it is; "none" where it is by none.
    """

    def __init__(self, rejection: Rejection, why: str, caller: str = "none") -> None:
        super().__init__(why)
        self.rejection = rejection
        self.why = why
        self.caller = caller


class Admitted:
    """A place that one association has; `leave` gives it back."""

    def __init__(self, caller: _Caller | None) -> None:
        self._caller = caller

    @property
    def name(self) -> str:
        """Of the rule; "none" where there is none."""
        return "none" if self._caller is None else self._caller.rule.name

    @property
    def max_pdu(self) -> int | None:
        """Of the rule."""
        return None if self._caller is None else self._caller.rule.max_pdu

    @property
    def max_object_bytes(self) -> int | None:
        """Of the rule."""
        return None if self._caller is None else self._caller.rule.max_object_bytes

    def read(self, count: int) -> None:
        """So many bytes have been read; waits as long as the rate asks for.

        Who is not read from stops sending, by TCP's own means.
        """
        if self._caller is not None and self._caller.pace is not None:
            _sleep(self._caller.pace.wait_s(count))

    def leave(self) -> None:
        """The association has ended. Safe to repeat."""
        caller, self._caller = self._caller, None
        if caller is not None:
            caller.leave()


class Callers:
    """Finds a caller's rule, and counts what it takes. Safe to use from several threads.

    Parameters
    ----------
    rules : sequence of CallerRule
        The first that fits counts.
    known_only : bool
        Whether callers that no rule fits are rejected.
    clock : callable
        Monotonic seconds.
    """

    def __init__(
        self,
        rules: Sequence[CallerRule] = (),
        known_only: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._callers = [_Caller(rule, clock) for rule in rules]
        self._known_only = known_only

    def admit(
        self, calling_ae: str, address: str, certificate: ShownCertificate | None, tls: bool
    ) -> Admitted:
        """Let in whoever may come in.

        Parameters
        ----------
        calling_ae : str
        address : str
            IPv4 or IPv6.
        certificate : ShownCertificate, optional
            That an authority of the node's has signed.
        tls : bool

        Raises
        ------
        TurnedAway
            With the rejection that PS3.8 Table 9-21 has for it.
        """
        lack: tuple[str, str] | None = None
        for caller in self._callers:
            rule = caller.rule
            if not rule.is_called(calling_ae):
                continue
            missing = rule.lacks(address, certificate, tls)
            if missing is None:
                if not rule.allow:
                    raise self._away(CALLING_AE_NOT_RECOGNISED, "denied", rule.name)
                if (limit := caller.enter()) is not None:
                    raise self._away(LOCAL_LIMIT_EXCEEDED, limit, rule.name)
                return Admitted(caller)
            # A title of its own is not for anybody else; a pattern for all is nobody's own.
            if rule.allow and _ANYBODY not in rule.ae_titles and lack is None:
                lack = missing, rule.name
        if lack is not None:
            raise self._away(CALLING_AE_NOT_RECOGNISED, *lack)
        if self._known_only:
            raise self._away(CALLING_AE_NOT_RECOGNISED, "not-known", "none")
        return Admitted(None)

    @staticmethod
    def _away(rejection: Rejection, why: str, name: str) -> TurnedAway:
        caller_rejected(name, why)
        return TurnedAway(rejection, why, name)


class _Caller:
    """A rule and what has been taken by it."""

    def __init__(self, rule: CallerRule, clock: Callable[[], float]) -> None:
        self.rule = rule
        self.pace = None if rule.bytes_per_s is None else Pace(rule.bytes_per_s, clock)
        self._clock = clock
        self._lock = threading.Lock()
        self._open = 0
        self._begun: deque[float] = deque()

    def enter(self) -> str | None:
        """Count one more association; or say which limit keeps it out."""
        rule, now = self.rule, self._clock()
        with self._lock:
            if rule.max_associations is not None and self._open >= rule.max_associations:
                return "associations"
            if rule.associations_per_minute is not None:
                while self._begun and self._begun[0] <= now - 60:
                    self._begun.popleft()
                if len(self._begun) >= rule.associations_per_minute:
                    return "rate"
                self._begun.append(now)
            self._open += 1
        return None

    def leave(self) -> None:
        with self._lock:
            self._open -= 1


class Pace:
    """Bytes a second, with a second's worth at once.

    Parameters
    ----------
    bytes_per_s : float
    clock : callable
        Monotonic seconds.
    """

    def __init__(self, bytes_per_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._rate = bytes_per_s
        self._clock = clock
        self._lock = threading.Lock()
        self._paid_until = clock()

    def wait_s(self, count: int) -> float:
        """How long to wait after `count` bytes were read."""
        with self._lock:
            now = self._clock()
            self._paid_until = max(self._paid_until, now - 1.0) + count / self._rate
            return max(0.0, self._paid_until - now)


def _within(address: str, networks: Iterable[IPv4Network | IPv6Network]) -> bool:
    try:
        found = ip_address(address.partition("%")[0])
    except ValueError:
        return False
    mapped = getattr(found, "ipv4_mapped", None)  # IPv4 on a socket of IPv6
    return any((mapped or found) in network for network in networks)
