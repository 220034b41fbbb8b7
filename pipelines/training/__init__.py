"""Training of networks: `pipelines.training.settings` says what, `loop` does it."""
