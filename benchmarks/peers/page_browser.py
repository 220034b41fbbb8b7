"""The node's own pages in Debian's Chromium: clicked, typed at, read and looked at."""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.peers.driven_browser import DrivenBrowser

Place = Sequence[float]


class PageStuck(AssertionError):
    """The page did not do what it was asked, or not in time."""


class PageBrowser(DrivenBrowser):
    """One Chromium with one of the node's pages at a time."""

    STUCK = PageStuck

    def open(self, url: str, **window: Any) -> None:
        """Go to an address in a new window of a width, height, scale, with touch or scripts."""
        self._ask("open", url=url, **window)

    def until(self, holds: str) -> None:
        """Wait until an expression of the page's script holds."""
        self._ask("until", holds=holds)

    def run(self, script: str) -> Any:
        """Value of an expression of the page's script."""
        return self._ask("run", script=script).get("value")

    def press(self, *keys: str) -> None:
        """Press keys one after the other."""
        for key in keys:
            self._ask("press", key=key)

    def click(self, selector: str) -> None:
        """Click."""
        self._ask("click", selector=selector)

    def choose(self, selector: str, value: str) -> None:
        """Choose from a list."""
        self._ask("choose", selector=selector, value=value)

    def fill(self, selector: str, value: str) -> None:
        """Write into a field."""
        self._ask("fill", selector=selector, value=value)

    def drag(self, *path: Place, button: str = "left") -> None:
        """Press a mouse button, go along, let go."""
        self._ask("drag", path=[list(map(float, place)) for place in path], button=button)

    def wheel(self, at: Place, by: float) -> None:
        """Turn the wheel."""
        self._ask("wheel", at=list(map(float, at)), by=by)

    def fingers(self, *lines: tuple[Place, Place]) -> None:
        """Move fingers along lines, together."""
        self._ask("fingers", lines=[[list(map(float, p)) for p in line] for line in lines])

    def arrive(self, url: str) -> None:
        """Wait until a page has sent its reader on to this address, and all of it is there."""
        self._ask("arrive", url=url)

    def picture(self, path: Path) -> None:
        """Keep a picture of the window."""
        path.parent.mkdir(parents=True, exist_ok=True)
        self._ask("picture", path=str(path))

    def accessibility(self) -> list[dict[str, Any]]:
        """What axe-core finds wrong: id, impact and nodes of each."""
        return self._ask("accessibility")["violations"]

    @property
    def faults(self) -> list[str]:
        """Errors that the page told or that no script of it caught."""
        return self._ask("said")["faults"]

    @property
    def requests(self) -> list[str]:
        """All addresses that it asked for."""
        return self._ask("said")["requests"]

    def pixels(self, canvas: str) -> npt.NDArray[np.uint8]:
        """What a canvas holds, by its id; shape (rows, columns, 4)."""
        width, height, text = self.run(
            f"(() => {{ const c = document.getElementById({json.dumps(canvas)});"
            " const d = c.getContext('2d').getImageData(0, 0, c.width, c.height).data;"
            " let s = ''; for (let i = 0; i < d.length; i += 32768)"
            " s += String.fromCharCode(...d.subarray(i, i + 32768));"
            " return [c.width, c.height, btoa(s)]; })()"
        )
        return np.frombuffer(base64.b64decode(text), np.uint8).reshape(height, width, 4)
