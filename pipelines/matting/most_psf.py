"""The limit of a parameter, which is asked for without the method."""

MOST_PSF_MM = 5.0
"""A wider blur than any scanner's is a mistake."""
