"""OHIF as a person uses it: pages in Debian's Chromium, clicked, read and looked at."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from benchmarks.peers.driven_browser import DrivenBrowser

PATIENCE_S = 240.0

_VIEWPORT = '[data-cy="viewport-pane"]'
_SELECTORS = {
    "series": '[data-cy^="study-browser-thumbnail"]',
    "viewport": _VIEWPORT,
    "position": '[data-cy="viewport-overlay-bottom-right"]',
    "question": '[data-cy="viewport-notification"]',
    "segments": '[data-cy="data-row-title"]',
    "measurements": '[data-cy="trackedMeasurements-panel"]',
}


class OhifStuck(AssertionError):
    """The page did not become what was expected in time."""


@dataclass(frozen=True)
class PageState:
    """What the page says.

    Attributes
    ----------
    series, segments : tuple of str
        Texts of the entries in the study browser, and of the rows in the panel of segments.
    measurements : str
        All text in the panel of measurements, or "".
    viewport, question : str
        All text on the image; what OHIF asks there, or "".
    position : int or None
        Place of the slice in OHIF's order, from 1; None before there is an image.
    toasts : tuple of str
        ``type: words`` of every message that popped up, whether it is still there or not.
    page_errors, console_errors, failures : tuple of str
        Errors that no script caught, errors that a script told, requests that were refused.
    """

    series: tuple[str, ...]
    segments: tuple[str, ...]
    measurements: str
    viewport: str
    question: str
    position: int | None
    toasts: tuple[str, ...]
    page_errors: tuple[str, ...]
    console_errors: tuple[str, ...]
    failures: tuple[str, ...]


class OhifBrowser(DrivenBrowser):
    """One Chromium with one page of OHIF at a time."""

    STUCK = OhifStuck
    ANSWERS_WITHIN_S = 2 * PATIENCE_S

    def go(self, url: str) -> None:
        """Go to an address."""
        self._ask("open", url=url)

    def words(self) -> str:
        """All that stands on the page."""
        return "\n".join(self._ask("read", selectors={"all": "body"})["texts"]["all"])

    def origins(self) -> set[str]:
        """Whom any page has asked for anything so far."""
        return set(self._ask("read", selectors={})["origins"])

    def open(self, url: str) -> None:
        """Go to an address and wait until an image is drawn."""
        self.go(url)
        self.until(lambda state: state.position is not None, "an image")

    def confirm(self) -> None:
        """Hide what OHIF says of investigational use, which covers a part of the image."""
        self._ask("click", selector="button", text="Confirm and hide")

    def load(self, series_description: str) -> None:
        """Double-click a series in the study browser."""
        selector = _SELECTORS["series"]
        self._ask("click", selector=selector, text=series_description, double=True)

    def agree(self) -> None:
        """Wait for OHIF's question on the image and answer yes."""
        self.until(lambda state: state.question, "a question")
        self._ask("click", selector=f"{_SELECTORS['question']} button", text="Yes")

    def open_panel(self, name: str) -> None:
        """Open the panel "panelSegmentation" or "trackedMeasurements"."""
        self._ask("click", selector=f'[data-cy="{name}-btn"]')

    def go_to(self, position: int) -> None:
        """Go to a slice, key by key."""
        while (here := self.state().position) != position:
            self._ask("press", key="ArrowDown" if here < position else "ArrowUp")
            self.until(lambda state, left=here: state.position != left, "another slice")

    def state(self) -> PageState:
        """Read the page."""
        answer = self._ask("read", selectors=_SELECTORS)
        texts = answer["texts"]
        place = re.search(r"\((\d+)/\d+\)", " ".join(texts["position"]))
        return PageState(
            series=tuple(texts["series"]),
            segments=tuple(texts["segments"]),
            measurements="\n".join(texts["measurements"]),
            viewport="\n".join(texts["viewport"]),
            question="\n".join(texts["question"]),
            position=None if place is None else int(place[1]),
            toasts=tuple(answer["toasts"]),
            page_errors=tuple(answer["pageErrors"]),
            console_errors=tuple(answer["consoleErrors"]),
            failures=tuple(answer["failures"]),
        )

    def until(
        self, holds: Callable[[PageState], object], what: str, within_s: float = PATIENCE_S
    ) -> PageState:
        """Wait until something holds of the page.

        Raises
        ------
        OhifStuck
            With what the page says instead.
        """
        end = time.monotonic() + within_s
        while not holds(state := self.state()):
            if time.monotonic() > end:
                raise OhifStuck(f"{what}: not within {within_s:g} s, but {state}")
            time.sleep(0.1)
        return state

    def picture(self, path: Path) -> npt.NDArray[np.uint8]:
        """Save a picture of the page, and give the viewport's part, shape (rows, columns, 3)."""
        path.parent.mkdir(parents=True, exist_ok=True)
        box = self._ask("picture", path=str(path), selector=_VIEWPORT)["box"]
        corners = (box["x"], box["y"], box["x"] + box["width"], box["y"] + box["height"])
        with Image.open(path) as page:
            return np.asarray(page.convert("RGB").crop(tuple(round(c) for c in corners)))
