"""Pictures of results, for people to look at."""
