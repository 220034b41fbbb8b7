"""A study of phantoms, laid out as that of Wang et al., 3D Matting (2022), Figure 3."""

from __future__ import annotations

from dicomnode.reader_study.definition import StudyDefinition

READERS = 4


def demonstration(cases: int, seed: int) -> StudyDefinition:
    """Four simulated readers' masks against a closed-form matte of them, each lesion a phantom.

    A third of the cases comes twice.

    Parameters
    ----------
    cases, seed : int
    """
    readers = [
        {"name": f"mask-{n}", "origin": "person", "from": "reader", "reader": n}
        for n in range(1, READERS + 1)
    ]
    matte = {"name": "matte", "origin": "computer", "from": "method", "method": "closed-form"}
    return StudyDefinition.model_validate(
        {
            "name": "demo",
            "title": "Nodules of a phantom",
            "display": "alpha",
            "asks_origin": False,
            "seed": seed,
            "repeats": cases // 3,
            "candidates": [*readers, matte],
            "phantoms": {"count": cases, "seed": seed, "readers": READERS},
        }
    )
