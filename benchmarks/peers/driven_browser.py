"""A Chromium that a script of Node.js drives: one line of JSON asks, one answers."""

from __future__ import annotations

import json
import select
import subprocess
from pathlib import Path
from typing import Any, ClassVar, Self


class DrivenBrowser:
    """One Chromium with one page at a time.

    Parameters
    ----------
    folder : Path
        With `drive.mjs` and its `node_modules`.
    node, chromium : str
        The programs.
    """

    STUCK: ClassVar[type[AssertionError]] = AssertionError
    """Raised where the page does not do what it is asked, or not in time."""
    ANSWERS_WITHIN_S: ClassVar[float] = 120.0

    def __init__(self, folder: Path, node: str, chromium: str) -> None:
        self._command = [node, "drive.mjs", chromium]
        self._folder = folder
        self._process: subprocess.Popen[str] | None = None
        self.version = ""

    @property
    def pid(self) -> int:
        """Of what drives the browser; the browser's processes are its children."""
        return self._process.pid

    def __enter__(self) -> Self:
        """Start the browser."""
        self._process = subprocess.Popen(
            self._command,
            cwd=self._folder,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            bufsize=1,
        )
        self.version = self._answer("start")["ready"]
        return self

    def __exit__(self, *exception: object) -> None:
        """Stop it."""
        self._process.stdin.close()
        try:
            self._process.wait(30)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _ask(self, command: str, **arguments: Any) -> dict[str, Any]:
        self._process.stdin.write(json.dumps({"command": command, **arguments}) + "\n")
        return self._answer(command)

    def _answer(self, command: str) -> dict[str, Any]:
        ready, _, _ = select.select([self._process.stdout], [], [], self.ANSWERS_WITHIN_S)
        if not ready:
            self._process.kill()
            raise self.STUCK(f"{command}: no answer within {self.ANSWERS_WITHIN_S:g} s")
        line = self._process.stdout.readline()
        if not line:
            raise self.STUCK(f"{command}: the browser has ended")
        answer = json.loads(line)
        if "fault" in answer:
            raise self.STUCK(f"{command}: {answer['fault']}")
        return answer
