"""Damaged PDUs, command sets and data sets for the receiver, and what it may do with them."""
