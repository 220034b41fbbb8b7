"""How fast the lesion page is in Debian's Chromium with software rendering, on loopback.

    python -m benchmarks.viewer

Of a CT of 512 x 512 pixels with a lesion of about 30 mm: from the click to the lesion drawn, a
redraw of three planes at three sizes of window, alpha after a stroke of the brush, the bytes of
scripts and data, and how long the server takes for what it sends. Redraws are also told in
processor time, for a machine that has other work. Needs ``npm ci --prefix tests/interop/viewer``.
"""

from __future__ import annotations

import argparse
import gzip
import shutil
import statistics
import tempfile
import time
import urllib.request
from pathlib import Path

from benchmarks.peers.lesion_store import lesion_store
from benchmarks.peers.page_browser import PageBrowser
from benchmarks.peers.page_server import PageServer
from benchmarks.peers.processor import processor_s

ROOT = Path(__file__).resolve().parents[1]
DRIVER = ROOT / "tests" / "interop" / "viewer"
SCRIPTS = ROOT / "dicomnode" / "web" / "static" / "lesion"
SIZES = {"1440 x 900": (1440, 900), "1920 x 1080": (1920, 1080), "3840 x 2160": (3840, 2160)}

# Reading a pixel back waits until all that was asked for is drawn.
REDRAW = """(async () => {
  const { view, panes } = lesion, taken = [];
  for (let i = 0; i < REPEATS; i++) {
    await new Promise(resolve => setTimeout(resolve, 20));
    CHANGE;
    const start = performance.now();
    for (const pane of panes) pane.draw();
    for (const pane of panes) pane.context.getImageData(0, 0, 1, 1);
    taken.push(performance.now() - start);
  }
  return taken;
})()"""
CHANGES = {
    "another place": "view.centre = view.centre.map((c, a) => view.lesion.start[a] + (i % 5) - 2)",
    "another window": "view.window = [-1000 - 10 * i, 400 + 10 * i]",
    "another zoom": "view.zoom = 1 + 0.1 * (i % 7)",
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--repeats", type=int, default=15)
    repeats = parser.parse_args().repeats
    node, chromium = shutil.which("node"), shutil.which("chromium")
    if node is None or chromium is None or not (DRIVER / "node_modules").is_dir():
        raise SystemExit(f"needs node, chromium, and: npm ci --prefix {DRIVER.relative_to(ROOT)}")
    with tempfile.TemporaryDirectory(prefix="viewer-") as folder:
        store = lesion_store(
            Path(folder),
            shape=(48, 512, 512),
            spacing=(1.25, 0.7, 0.7),
            radii_mm=(14.0, 15.0, 13.0),
        )
        with PageServer(store.database) as server:
            _server(server, repeats)
            with PageBrowser(DRIVER, node, chromium) as browser:
                print(f"Chromium {browser.version}, software rendering")
                _first(server, browser, repeats)
                _mended(server, browser, repeats)
                for name, size in SIZES.items():
                    _redraw(server, browser, name, size, repeats)
        store.database.close()
    scripts = sorted(SCRIPTS.glob("*.js"))
    print(
        f"scripts: {sum(p.stat().st_size for p in scripts) / 1000:.1f} kB in {len(scripts)} files"
    )


def _server(server: PageServer, repeats: int) -> None:
    for path in ("/lesions/1", "/lesions/1/volume", "/lesions/1/slices", "/lesions/1/measurements"):
        first, *others = (_asked(server, path) for _ in range(repeats + 1))
        body = others[-1][1]
        started = time.process_time()
        small = len(gzip.compress(body, 1))
        packing = time.process_time() - started
        print(
            f"{path}: {len(body) / 1000:.0f} kB, first {first[0] * 1000:.0f} ms, then "
            f"{statistics.median(t for t, _ in others) * 1000:.0f} ms; gzip would make "
            f"{small / 1000:.0f} kB of it in {packing * 1000:.0f} ms of CPU"
        )


def _mended(server: PageServer, browser: PageBrowser, repeats: int) -> None:
    browser.open(server.address("/lesions/1"), width=1440, height=900)
    browser.until("document.getElementById('viewer').dataset.drawn === 'yes'")
    browser.press("b")
    browser.until("lesion.judge.solvedMs > 0")
    taken = []
    for _ in range(repeats):
        browser.run("lesion.judge.solvedMs = 0")
        browser.press("Space", "ArrowRight")
        browser.until("lesion.judge.solvedMs > 0")
        taken.append(browser.run("lesion.judge.solvedMs"))
    print(
        f"alpha after a stroke of the brush: median {statistics.median(taken):.0f} ms, "
        f"at most {max(taken):.0f}"
    )


def _asked(server: PageServer, path: str) -> tuple[float, bytes]:
    started = time.perf_counter()
    with urllib.request.urlopen(server.address(path)) as got:
        body = got.read()
    return time.perf_counter() - started, body


def _first(server: PageServer, browser: PageBrowser, repeats: int) -> None:
    taken = []
    for _ in range(max(3, repeats // 3)):
        browser.open(server.address("/lesions/1"), width=1440, height=900)
        browser.until("document.getElementById('viewer').dataset.drawn === 'yes'")
        taken.append(browser.run("performance.getEntriesByName('first-lesion')[0].startTime"))
    print(
        f"first lesion drawn after the click: median {statistics.median(taken):.0f} ms, "
        f"{min(taken):.0f} to {max(taken):.0f}"
    )


def _redraw(
    server: PageServer, browser: PageBrowser, name: str, size: tuple[int, int], repeats: int
) -> None:
    browser.open(server.address("/lesions/1"), width=size[0], height=size[1])
    browser.until("document.getElementById('viewer').dataset.drawn === 'yes'")
    for change, script in CHANGES.items():
        text = REDRAW.replace("REPEATS", str(repeats)).replace("CHANGE", script)
        before = processor_s(browser.pid)
        taken = browser.run(text)
        spent = (processor_s(browser.pid) - before) / repeats
        print(
            f"{name}, {change}: three planes in median {statistics.median(taken):.1f} ms, "
            f"{min(taken):.1f} to {max(taken):.1f}; {spent * 1000:.0f} ms of CPU in all of the "
            "browser's processes"
        )


if __name__ == "__main__":
    main()
