"""Which studies may be deleted, and their deletion, which leaves a trail."""
