import numpy as np
import pytest

from models.registry import REGISTRY, InputContract
from pipelines.networks.values import windowed

SLICE = InputContract(
    kind="slice",
    channels=1,
    size=(128, 128),
    spacing="native",
    window="-1000 to 400 HU",
    window_hu=(-1000, 400),
    values=(-1, 1),
)


def test_the_window_ends_where_values_end_and_cuts_off_what_lies_beyond() -> None:
    values = windowed(np.array([-3000, -1000, -300, 400, 3000]), SLICE)

    assert values.dtype == np.float32
    np.testing.assert_allclose(values, [-1, -1, 0, 1, 1])


def test_a_contract_without_a_window_is_refused() -> None:
    with pytest.raises(ValueError, match="prompted-planes"):
        windowed(np.zeros(3), REGISTRY["recist-net"].contract)
