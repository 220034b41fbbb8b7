"""The colours that alpha is drawn in, for the browser.

``python -m dicomnode.web.lesion.colour_map`` prints ``dicomnode/web/static/lesion/colours.js``; a
test compares the two.
"""

from __future__ import annotations

import matplotlib
import numpy as np
import numpy.typing as npt

_BEGINS = 0.2
"""The darkest part of the map is left out: over lung it could not be told from no colour."""

LESS, MORE = (58, 132, 232), (222, 110, 28)
"""Of a difference: blue where the other result has less, orange where it has more. About as light
as each other, and told apart by the colour-blind."""


def alpha_colours() -> npt.NDArray[np.uint8]:
    """Colours of alpha from 0 to 1 in 255 steps: perceptually uniform, light upwards.

    Viridis (van der Walt and Smith 2015) from a fifth on: steps of alpha that are as wide look as
    wide, and with every kind of colour blindness.

    Returns
    -------
    ndarray, uint8, shape (256, 3)
        sRGB.
    """
    places = np.linspace(_BEGINS, 1, 256)
    return np.rint(matplotlib.colormaps["viridis"](places)[:, :3] * 255).astype(np.uint8)


def as_script() -> str:
    """The module that the browser loads."""
    hexadecimal = alpha_colours().tobytes().hex()
    lines = [hexadecimal[i : i + 96] for i in range(0, len(hexadecimal), 96)]
    text = "',\n  '".join(lines)
    return (
        "// Written by python -m dicomnode.web.lesion.colour_map; not by hand.\n"
        f"const HEX = [\n  '{text}',\n].join('');\n"
        "// [red, green, blue] of alpha in 255 parts.\n"
        "export const ALPHA_COLOURS = Array.from({ length: 256 }, (_, i) =>\n"
        "  [0, 2, 4].map(k => parseInt(HEX.substr(6 * i + k, 2), 16)));\n"
        f"export const LESS = {list(LESS)};\n"
        f"export const MORE = {list(MORE)};\n"
    )


if __name__ == "__main__":
    print(as_script(), end="")
