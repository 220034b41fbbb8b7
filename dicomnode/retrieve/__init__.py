"""Retrieve: images that a mark was drawn on and that nobody sent are fetched from a source."""
