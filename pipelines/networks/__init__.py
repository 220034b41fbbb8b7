"""Networks that are given no mark: what they see of a CT, and what they say on its grid."""
