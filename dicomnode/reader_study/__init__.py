"""Reader studies: blind choices among candidate masks, kept, counted and exported."""
