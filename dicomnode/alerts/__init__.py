"""Messages to administrators on what needs a person: by e-mail and webhook; no patient data."""
