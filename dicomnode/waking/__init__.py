"""How one part of the node wakes another in its own process. Rows are the truth; this is a hint."""
