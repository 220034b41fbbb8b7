"""DICOMweb (PS3.18): any viewer finds and reads what the node received and made."""

from dicomnode.web.dicomweb.configured import dicomweb_of
from dicomnode.web.dicomweb.service import PATH, routes, storing_by

__all__ = ["PATH", "dicomweb_of", "routes", "storing_by"]
