"""Deliver: results on their way to the PACS, until it has accepted them."""
