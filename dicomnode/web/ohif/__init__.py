"""A build of OHIF, served beside DICOMweb on one origin."""

from dicomnode.web.ohif.build import NotOhif, OhifBuild

__all__ = ["NotOhif", "OhifBuild"]
