"""Damaged files of marks: how they are made, and how it is seen that nothing was made up."""
