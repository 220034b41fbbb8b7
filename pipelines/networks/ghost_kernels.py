"""What ghost networks do to (channels, depth, height, width), compiled for one core."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from pipelines.compiled import compiled

Array = npt.NDArray[np.float32]


@compiled
def pointwise(features: Array, weight: Array, bias: Array, out: Array) -> None:
    """A 1 x 1 x 1 convolution; `weight` is (outputs, inputs)."""
    inputs, depth, height, width = features.shape
    for z in range(depth):
        for y in range(height):
            for o in range(weight.shape[0]):
                line = out[o, z, y]
                for x in range(width):
                    line[x] = bias[o]
                for i in range(inputs):
                    seen, tap = features[i, z, y], weight[o, i]
                    for x in range(width):
                        line[x] += tap * seen[x]


@compiled
def depthwise(features: Array, weight: Array, bias: Array, out: Array) -> None:
    """A 3 x 3 x 3 convolution of each channel with its own taps, zeros around.

    `weight` is (channels, 3, 3, 3).
    """
    channels, depth, height, width = features.shape
    line = np.empty(width, np.float32)
    for c in range(channels):
        for z in range(depth):
            for y in range(height):
                for x in range(width):
                    line[x] = bias[c]
                for k in range(max(z - 1, 0), min(z + 2, depth)):
                    for j in range(max(y - 1, 0), min(y + 2, height)):
                        seen, taps = features[c, k, j], weight[c, k - z + 1, j - y + 1]
                        before, at, after = taps[0], taps[1], taps[2]
                        if width == 1:
                            line[0] += at * seen[0]
                            continue
                        line[0] += at * seen[0] + after * seen[1]
                        for x in range(1, width - 1):
                            line[x] += before * seen[x - 1] + at * seen[x] + after * seen[x + 1]
                        line[width - 1] += before * seen[width - 2] + at * seen[width - 1]
                written = out[c, z, y]
                for x in range(width):
                    written[x] = line[x]


@compiled
def moments(features: Array) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Mean and variance of each channel."""
    channels, depth, height, width = features.shape
    mean, variance = np.zeros(channels), np.zeros(channels)
    count = depth * height * width
    for c in range(channels):
        total, squares = 0.0, 0.0
        for z in range(depth):
            for y in range(height):
                seen = features[c, z, y]
                of_line, of_squares = np.float32(0), np.float32(0)
                for x in range(width):
                    of_line += seen[x]
                    of_squares += seen[x] * seen[x]
                total += of_line
                squares += of_squares
        mean[c] = total / count
        variance[c] = max(squares / count - mean[c] ** 2, 0.0)
    return mean, variance


@compiled
def activate(features: Array, scale: Array, shift: Array, slope: float) -> None:
    """Scale and shift each channel, then multiply what is negative by `slope`; in place."""
    channels, depth, height, width = features.shape
    for c in range(channels):
        factor, offset = scale[c], shift[c]
        for z in range(depth):
            for y in range(height):
                line = features[c, z, y]
                for x in range(width):
                    value = line[x] * factor + offset
                    line[x] = value if value > 0 else slope * value
