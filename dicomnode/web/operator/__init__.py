"""Pages for those who run the node, each also as JSON."""
