"""The parts that a node is composed of: what receives, what works, and what answers by HTTP."""
