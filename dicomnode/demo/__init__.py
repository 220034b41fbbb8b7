"""The demonstration, and the writers of synthetic CT and reports that it shares with tests."""
