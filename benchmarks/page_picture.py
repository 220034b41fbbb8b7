"""The picture of the lesion page in the README: a nodule of the demonstration's phantom.

    python -m benchmarks.page_picture

runs the demonstration into a folder of its own, serves what it left, opens a lesion in Debian's
Chromium and writes docs/page.png, with as many colours as a palette holds. Needs ``npm ci --prefix
tests/interop/viewer``.
"""

from __future__ import annotations

import argparse
import io
import shutil
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image
from sqlalchemy import select

from benchmarks.peers.page_browser import PageBrowser
from dicomnode.demo.demonstration import demonstrate
from dicomnode.demo.kept import configuration_of, make_room
from dicomnode.marks.serialised import from_json
from dicomnode.node import Node
from dicomnode.settings import NodeSettings, load_settings
from dicomnode.store.tables import Lesion
from pipelines.phantom import NoduleKind

ROOT = Path(__file__).resolve().parents[1]
DRIVER = ROOT / "tests" / "interop" / "viewer"
PICTURE = ROOT / "docs" / "page.png"
SIZE = (1440, 1080)
ZOOM = 1.5
COLOURS = 256
_GREY = 6
"""How far red, green and blue of a grey may be apart."""
_ROUNDS = 8
"""Of k-means, which moves the colours of the palette to where pixels are."""
SEED = 1


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--out", type=Path, default=PICTURE)
    parser.add_argument(
        "--kind",
        choices=[kind.value for kind in NoduleKind],
        default=NoduleKind.JUXTA_PLEURAL.value,
    )
    asked = parser.parse_args()
    node, chromium = shutil.which("node"), shutil.which("chromium")
    if node is None or chromium is None or not (DRIVER / "node_modules").is_dir():
        raise SystemExit(f"needs node, chromium, and: npm ci --prefix {DRIVER.relative_to(ROOT)}")
    with tempfile.TemporaryDirectory(prefix="page-picture-") as folder:
        demonstrate(SEED, print, make_room(Path(folder)))
        with Node(_settings(Path(folder))) as served, PageBrowser(DRIVER, node, chromium) as page:
            number = _lesion(served, asked.kind)
            page.open(
                f"http://127.0.0.1:{served.web_port}/lesions/{number}",
                width=SIZE[0],
                height=SIZE[1],
            )
            page.until("document.querySelectorAll('#measured tr').length > 1")
            page.run(f"lesion.view.zoomBy({ZOOM})")
            page.run("new Promise(drawn => requestAnimationFrame(() => setTimeout(drawn)))")
            whole = Path(folder) / "page.png"
            page.picture(whole)
            written = _small(whole)
    asked.out.write_bytes(written)
    print(f"{asked.out}: lesion {number}, {asked.kind}, {len(written) / 1000:.0f} kB")


def _settings(folder: Path) -> NodeSettings:
    """Of the node that the demonstration left, on a free port."""
    settings = load_settings(configuration_of(folder))
    return settings.model_copy(update={"web": settings.web.model_copy(update={"port": 0})})


def _lesion(node: Node, kind: str) -> int:
    with node.database.read() as session:
        rows = session.execute(select(Lesion.id, Lesion.mark)).all()
    return next(number for number, mark in rows if from_json(mark).tracking_id == kind)


def _small(picture: Path) -> bytes:
    """The picture as PNG with a palette: half of it greys, for the CT, half for all else."""
    with Image.open(picture) as found:
        whole = found.convert("RGB")
    pixels = np.asarray(whole)
    coloured = pixels[np.ptp(pixels, axis=2) > _GREY][None]
    # Thin lines of few pixels keep their colours, which a median cut would not give them.
    few = Image.fromarray(coloured).quantize(
        COLOURS // 2, Image.Quantize.MAXCOVERAGE, kmeans=_ROUNDS, dither=Image.Dither.NONE
    )
    greys = np.linspace(0, 255, COLOURS // 2).round().astype(int)
    palette = Image.new("P", (1, 1))
    palette.putpalette([*few.getpalette()[: 3 * (COLOURS // 2)], *np.repeat(greys, 3).tolist()])
    written = io.BytesIO()
    drawn = whole.quantize(palette=palette, dither=Image.Dither.NONE)
    drawn.save(written, "PNG", optimize=True)
    return written.getvalue()


if __name__ == "__main__":
    main()
