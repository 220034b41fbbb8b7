"""Who may use the web service, and how they say who they are."""
