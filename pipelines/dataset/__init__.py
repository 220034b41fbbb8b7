"""Lesions with readers' masks as training samples; needed for training only, never by the node."""
