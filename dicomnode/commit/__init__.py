"""Commit: storage commitment (PS3.4 Annex J), of what the node sends and of what it received."""
