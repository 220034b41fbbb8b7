"""Networks that are told by a mark which lesion is meant."""
