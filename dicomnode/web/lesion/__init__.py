"""The page of one lesion: its soft mask over the CT in three planes, compared, and judged."""

from dicomnode.web.lesion.routes import lesion_routes

__all__ = ["lesion_routes"]
