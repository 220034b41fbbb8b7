"""DICOMweb (PS3.18): any viewer finds and reads what the node received and made."""

from dicomnode.web.dicomweb.service import PATH, routes, storing_by

__all__ = ["PATH", "routes", "storing_by"]
