"""Senders that repeat as a PACS does, and write down what was acknowledged."""

from __future__ import annotations

import multiprocessing
import os
import random
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks.peers.requestor import Requestor
from benchmarks.soaked.material import CLASSES, Item, Material

_PROCESSES = 6
_fork = multiprocessing.get_context("fork")


class Senders:
    """Parallel senders in a few processes; each has an association of its own, study by study.

    Parameters
    ----------
    material : Material
    senders : int
    port : int
    called : str
    ledgers : Path
        Folder that gets one file for each sender: a line for each object that was answered with
        0x0000, with the SHA-256 of what was sent. Written before the next object is sent.
    pause_s : float
        Between two objects of a sender.
    """

    def __init__(
        self,
        material: Material,
        senders: int,
        port: int,
        called: str,
        ledgers: Path,
        pause_s: float = 0.0,
    ) -> None:
        ledgers.mkdir(parents=True)
        self._material, self._senders, self._pause_s = material, senders, pause_s
        self._address = port, called
        self._ledgers = ledgers
        self._acknowledged = _fork.Value("q", 0)
        self._repeats = _fork.Value("q", 0)
        self._stop = _fork.Event()
        # Forked: call before the caller has threads.
        self._processes = [
            _fork.Process(target=self._serve, args=(first,), daemon=True)
            for first in range(min(_PROCESSES, senders))
        ]
        self._go = _fork.Event()
        for process in self._processes:
            process.start()

    def go(self) -> None:
        """Let them begin."""
        self._go.set()

    @property
    def acknowledged(self) -> int:
        """Objects that were answered with 0x0000, so far."""
        return self._acknowledged.value

    @property
    def repeats(self) -> int:
        """Associations after which something had to be sent again, so far."""
        return self._repeats.value

    @property
    def running(self) -> bool:
        """Whether something is still to be sent."""
        return any(process.is_alive() for process in self._processes)

    def stop(self) -> None:
        """Let each end the object that it sends."""
        self._stop.set()
        self._go.set()
        for process in self._processes:
            process.join(60)
            if process.is_alive():
                process.kill()

    def ledger(self) -> dict[str, str]:
        """SHA-256 of each object that was acknowledged, by SOP Instance UID."""
        found: dict[str, str] = {}
        for path in sorted(self._ledgers.iterdir()):
            found.update(line.split() for line in path.read_text().splitlines())
        return found

    def _serve(self, first: int) -> None:
        self._go.wait()
        threads = [
            threading.Thread(target=self._send_all, args=(number,))
            for number in range(first, self._senders, len(self._processes))
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def _send_all(self, sender: int) -> None:
        chance = random.Random(sender)
        ledger = os.open(self._ledgers / f"{sender:03}", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        try:
            for number in range(sender, self._material.plan.studies, self._senders):
                left = {item.sop_instance: item for item in self._material.study(number)}
                while left and not self._stop.is_set():
                    for item in self._sent(sender, list(left.values())):
                        os.write(ledger, f"{item.sop_instance} {item.digest}\n".encode())
                        del left[item.sop_instance]
                        with self._acknowledged.get_lock():
                            self._acknowledged.value += 1
                    if left and not self._stop.is_set():
                        with self._repeats.get_lock():
                            self._repeats.value += 1
                        time.sleep(chance.uniform(0.2, 1.0))
        finally:
            os.close(ledger)

    def _sent(self, sender: int, items: list[Item]) -> Iterator[Item]:
        """Those that were acknowledged on one association."""
        port, called = self._address
        try:
            with Requestor(port, called, f"SENDER{sender}", CLASSES) as association:
                for item in items:
                    if self._stop.is_set():
                        break
                    status = association.store(item.sop_class, item.sop_instance, item.data_set)
                    if status != 0x0000:
                        break
                    yield item
                    time.sleep(self._pause_s)
                association.release()
        except OSError:
            return
