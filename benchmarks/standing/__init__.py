"""A node that stands by: many associations, idle ones, and a start on a full store."""
