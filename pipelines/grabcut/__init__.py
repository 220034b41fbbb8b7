"""Native 3D GrabCut from a RECIST mark."""

from pipelines.grabcut.ellipsoid import RecistEllipsoid
from pipelines.grabcut.grabcut import Cut, grabcut

__all__ = ["Cut", "RecistEllipsoid", "grabcut"]
