"""Readers' verdicts sent back to the destinations that want to be told of them."""
