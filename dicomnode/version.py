"""The version that every object of this node carries."""

from importlib.metadata import PackageNotFoundError, version

DISTRIBUTION = "softmask-node"

try:
    VERSION = version(DISTRIBUTION)
except PackageNotFoundError:  # run from a source tree that is not installed
    VERSION = "0+unknown"
