"""What a training configuration may say of its network, one class a family.

`[network] name` decides which class reads the rest. A new family adds its class to
`NetworkSettings` and its task to `pipelines.training.tasks`.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

Count = Annotated[int, Field(gt=0)]
Share = Annotated[float, Field(ge=0, le=1)]


class Strict(BaseModel):
    """Settings that cannot be changed and hold nothing unknown."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class RecistNetSettings(Strict):
    """`models.recist_net.RecistNet`."""

    name: Literal["recist-net"] = "recist-net"
    widths: tuple[Count, ...] = (16, 32, 64, 128)
    blocks: Count = 1


def _named(value: Any) -> Any:
    """Configurations that name no network are older than the others."""
    if isinstance(value, dict):
        return {"name": "recist-net"} | value
    return value


_Family = RecistNetSettings

NetworkSettings = Annotated[_Family, BeforeValidator(_named)]
"""Any family."""
