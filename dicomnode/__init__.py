"""A PACS-integrated node that turns marks into soft masks. Research software, not for diagnosis."""
