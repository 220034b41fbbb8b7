"""Whether the node lives, and whether it is ready for work; if not, why."""
