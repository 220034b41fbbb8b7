"""The circuit breaker of one destination: what is away is asked now and then, by one object.

It opens after so many attempts in a row without an answer. While it is open nothing is sent, and no
object uses up its attempts. When a probe is due one object goes; an answer to it, yes or no, closes
the circuit, and all that waited is due. The row is durable (`dicomnode.store.tables.Circuit`).
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from enum import StrEnum

from sqlalchemy.orm import Session

from dicomnode.deliver.backoff import wait_s
from dicomnode.settings import CircuitSettings, RetrySettings
from dicomnode.store.states import CircuitState
from dicomnode.store.tables import Circuit


class Admission(StrEnum):
    """What may go to a destination now."""

    ALL = "all"
    """What is due."""
    ONE = "one"
    """One object, due or not, to find out whether it is back."""
    NOTHING = "nothing"


def admission(session: Session, destination: str, now: float | None = None) -> Admission:
    """Say what may go now.

    A probe that a crash interrupted is made again at once.
    """
    circuit = session.get(Circuit, destination)
    if circuit is None or circuit.state is CircuitState.CLOSED:
        return Admission.ALL
    waits = (circuit.probe_at or 0.0) > (time.time() if now is None else now)
    return Admission.NOTHING if circuit.state is CircuitState.OPEN and waits else Admission.ONE


def begin_probe(session: Session, destination: str) -> None:
    """One object leaves, to find out. Needs a session that is writing."""
    session.get_one(Circuit, destination).state = CircuitState.HALF_OPEN


def postpone_probe(session: Session, destination: str, settings: CircuitSettings) -> None:
    """The object that was to find out did not leave the node: another one goes later.

    Needs a session that is writing.
    """
    circuit = session.get(Circuit, destination)
    if circuit is not None and circuit.state is CircuitState.HALF_OPEN:
        circuit.state = CircuitState.OPEN
        circuit.probe_at = time.time() + settings.first_wait_s


def next_probe(session: Session, destination: str) -> float | None:
    """When the next probe is due, in seconds since 1970; None where the circuit is closed."""
    circuit = session.get(Circuit, destination)
    if circuit is None or circuit.state is CircuitState.CLOSED:
        return None
    return circuit.probe_at


def record_lost(
    session: Session,
    destination: str,
    words: str,
    settings: CircuitSettings,
    retry: RetrySettings,
    chance: Callable[[], float] = random.random,
) -> Circuit:
    """An attempt got no answer: count it, and open the circuit where it was one too many.

    Parameters
    ----------
    session : Session
        Writing.
    destination : str
    words : str
        The peer's or the network's.
    settings : CircuitSettings
    retry : RetrySettings
        Its `jitter` holds for probes too.
    chance : callable
        See `dicomnode.deliver.backoff.wait_s`.
    """
    circuit = session.get(Circuit, destination)
    if circuit is None:
        circuit = Circuit(destination=destination, state=CircuitState.CLOSED, failures=0, probes=0)
        session.add(circuit)
    now = time.time()
    circuit.failures += 1
    circuit.words = words
    if circuit.state is not CircuitState.CLOSED:
        circuit.probes += 1
    elif circuit.failures >= settings.failures:
        circuit.opened_at = now
        circuit.probes = 0
    else:
        return circuit
    circuit.state = CircuitState.OPEN
    waits = RetrySettings(
        first_wait_s=settings.first_wait_s,
        longest_wait_s=settings.longest_wait_s,
        jitter=retry.jitter,
    )
    circuit.probe_at = now + wait_s(circuit.probes + 1, waits, chance)
    return circuit


def record_answered(session: Session, destination: str) -> bool:
    """The destination answered, with yes or no: the circuit closes.

    Returns
    -------
    bool
        Whether it was open.
    """
    circuit = session.get(Circuit, destination)
    if circuit is None:
        return False
    was_open = circuit.state is not CircuitState.CLOSED
    circuit.state = CircuitState.CLOSED
    circuit.failures = circuit.probes = 0
    circuit.opened_at = circuit.probe_at = circuit.words = None
    return was_open
