"""Asks the checks, waits for none for ever, and logs what changes."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from concurrent.futures import TimeoutError as TookTooLong

from dicomnode.faults import describe_fault
from dicomnode.health.checks import LIVE, Check, ready_checks
from dicomnode.health.vitals import Vitals

logger = logging.getLogger(__name__)

Look = Callable[[Vitals], Check]


class Health:
    """The node's health, looked at whenever it is asked for.

    Parameters
    ----------
    vitals : Vitals
    limit_s : float
        A check that takes longer has failed: a disk or database that hangs answers nothing.
    """

    def __init__(self, vitals: Vitals, limit_s: float = 5.0) -> None:
        self._vitals = vitals
        self._limit_s = limit_s
        self._lock = threading.Lock()
        self._running: dict[str, Future[Check]] = {}
        self._passed: dict[str, bool] = {}

    def live(self) -> tuple[Check, ...]:
        """Whether a restart would help."""
        return self._ask(LIVE)

    def ready(self) -> tuple[Check, ...]:
        """Whether the node takes and does work."""
        checks = self._ask(ready_checks(self._vitals))
        for check in checks:
            with self._lock:
                changed = self._passed.get(check.name, True) != check.passed
                self._passed[check.name] = check.passed
            if changed:
                logger.log(
                    logging.INFO if check.passed else logging.WARNING,
                    "health.changed check=%s ready=%s reason=%s",
                    check.name,
                    check.passed,
                    check.reason,
                )
        return checks

    def _ask(self, looks: Sequence[Look]) -> tuple[Check, ...]:
        asked = [(look.__name__, self._begin(look)) for look in looks]
        return tuple(self._answer(name, future) for name, future in asked)

    def _begin(self, look: Look) -> Future[Check]:
        """Look, unless a look that was begun before has not come back."""
        name = look.__name__
        with self._lock:
            future = self._running.get(name)
            if future is not None and not future.done():
                return future
            future = self._running[name] = Future()

        def run() -> None:
            try:
                future.set_result(look(self._vitals))
            except Exception as error:
                future.set_result(Check(name, False, f"it broke: {describe_fault(error)}"))

        threading.Thread(target=run, name=f"health-{name}", daemon=True).start()
        return future

    def _answer(self, name: str, future: Future[Check]) -> Check:
        try:
            return future.result(self._limit_s)
        except TookTooLong:
            return Check(name, False, f"no answer within {self._limit_s:g} s")
