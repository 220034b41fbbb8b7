"""The colours of alpha: as the script writes them, uniform, and told apart by everybody."""

from __future__ import annotations

from pathlib import Path

import numpy as np

import dicomnode.web
from dicomnode.web.lesion.colour_map import LESS, MORE, alpha_colours, as_script

COLOURS = Path(dicomnode.web.__file__).parent / "static" / "lesion" / "colours.js"

# Machado, Oliveira and Fernandes 2009, of linear RGB, severity 1.
BLIND = {
    "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216],
                   [-0.003882, -0.048116, 1.051998]],
    "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413],
                     [-0.011820, 0.042940, 0.968881]],
    "tritanopia": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602],
                   [0.004733, 0.691367, 0.303900]],
}  # fmt: skip


def linear(rgb: np.ndarray) -> np.ndarray:
    rgb = np.asarray(rgb, float) / 255
    return np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)


def lab(from_linear: np.ndarray) -> np.ndarray:
    """OKLab (Ottosson 2020)."""
    lms = from_linear @ np.array(
        [[0.4122214708, 0.5363325363, 0.0514459929], [0.2119034982, 0.6806995451, 0.1073969566],
         [0.0883024619, 0.2817188376, 0.6299787005]]
    ).T  # fmt: skip
    return np.cbrt(lms) @ np.array(
        [[0.2104542553, 0.7936177850, -0.0040720468], [1.9779984951, -2.4285922050, 0.4505937099],
         [0.0259040371, 0.7827717662, -0.8086757660]]
    ).T  # fmt: skip


def test_the_script_that_browsers_load_is_what_the_module_writes():
    assert COLOURS.read_text() == as_script()


def test_steps_of_alpha_that_are_as_wide_look_as_wide():
    colours = lab(linear(alpha_colours()))
    steps = np.linalg.norm(colours[16:] - colours[:-16], axis=1)
    assert steps.max() / steps.min() < 1.6


def test_more_alpha_is_lighter_for_the_colour_blind_too():
    colours = linear(alpha_colours())
    for seen in (np.eye(3), *map(np.array, BLIND.values())):
        lightness = lab(np.clip(colours @ seen.T, 0, 1))[:, 0]
        assert (np.diff(lightness[::8]) > 0).all()


def test_less_and_more_are_told_apart_by_the_colour_blind():
    for seen in map(np.array, BLIND.values()):
        less, more = lab(np.clip(linear([LESS, MORE]) @ seen.T, 0, 1))
        assert np.linalg.norm(less - more) > 0.15
