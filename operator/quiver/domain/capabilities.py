"""What engines can do, where their types differ."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from quiver.domain.engines import EngineType


@dataclass(frozen=True, kw_only=True)
class Capabilities:
    """What an engine type can do. Policies refuse a spec that asks for what its type cannot do.

    `has_default_image`: pods run the operator's default engine image, if the spec names none.
    `pods_serve_tls`: the server accepts a certificate and a key.

    The operator asks each server for its instance id and never infers from the type whether there
    is one: an external engine may be another server than its type says.
    """

    has_default_image: bool
    pods_serve_tls: bool


CAPABILITIES: Mapping[EngineType, Capabilities] = MappingProxyType(
    {
        "Quiver": Capabilities(has_default_image=True, pods_serve_tls=True),
        "Milvus1": Capabilities(has_default_image=False, pods_serve_tls=False),
    }
)
