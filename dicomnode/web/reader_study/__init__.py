"""The pages of reader studies: readers choose blindly, operators close and count."""

from dicomnode.web.reader_study.routes import reader_study_routes

__all__ = ["reader_study_routes"]
