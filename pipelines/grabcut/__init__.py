"""Native 3D GrabCut from a RECIST mark."""

from pipelines.grabcut.ellipsoid import RecistEllipsoid
from pipelines.grabcut.grabcut import LIMIT, Cut, grabcut

__all__ = ["LIMIT", "Cut", "RecistEllipsoid", "grabcut"]
