"""What of the refused marks is sent back: "not processed, because"."""
