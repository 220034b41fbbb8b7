"""The conformance statement (PS3.2 Annex N), whose tables are computed from what runs."""
