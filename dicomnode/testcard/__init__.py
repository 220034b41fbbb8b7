"""The test card: a phantom study in every kind of object, to see what a viewer makes of it."""
