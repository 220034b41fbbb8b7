"""What the node logs: a catalogue of events, and how a line of the log is read back as one."""
