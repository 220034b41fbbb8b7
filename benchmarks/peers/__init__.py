"""Other people's programs, and the node, as processes on loopback."""
