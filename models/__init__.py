"""Networks: tensors in, tensors out. Research software, not for diagnosis."""

from models.contract import NoWeightsError
from models.loading import load_network, problem_of, weights_digest
from models.registry import REGISTRY, segmenting

__all__ = [
    "REGISTRY",
    "NoWeightsError",
    "load_network",
    "problem_of",
    "segmenting",
    "weights_digest",
]
