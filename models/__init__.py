"""Networks: tensors in, tensors out. Research software, not for diagnosis."""

from models.registry import REGISTRY, NoWeightsError, load_network, problem_of, weights_digest

__all__ = ["REGISTRY", "NoWeightsError", "load_network", "problem_of", "weights_digest"]
