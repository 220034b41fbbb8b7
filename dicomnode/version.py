"""The version that every object of this node carries."""

from importlib.metadata import PackageNotFoundError, version

DISTRIBUTION = "softmask-node"

try:
    VERSION = version(DISTRIBUTION)
except PackageNotFoundError:  # run from a source tree that is not installed
    VERSION = "0+unknown"

IMPLEMENTATION_CLASS_UID = "2.25.142259040697040828483508506336415718697"
"""Of this implementation of DICOM, in associations and files (PS3.7 D.3.3.2)."""

IMPLEMENTATION_VERSION_NAME = "SOFTMASK_" + VERSION.partition("+")[0].replace(".", "")[:7]
"""At most 16 characters (PS3.7 D.3.3.2.3)."""
