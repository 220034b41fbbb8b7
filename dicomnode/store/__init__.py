"""The ground floor: files and rows that survive a crash."""
