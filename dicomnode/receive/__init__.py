"""Receive: instances come in by C-STORE or from a folder, and are durable before success."""
