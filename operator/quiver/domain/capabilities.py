"""What each type of engine can do, as far as types differ in it."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from quiver.domain.engines import EngineType


@dataclass(frozen=True, kw_only=True)
class Capabilities:
    """What policies may count on, so that a spec never asks in vain for what a type cannot do.

    `has_default_image`: pods run the image that the operator was given, if the spec names none.
    `pods_serve_tls`: the server takes a certificate and a key.

    Whether a server tells an instance id is asked of the server itself, never concluded from its
    type: an external engine may be another server than its type says.
    """

    has_default_image: bool
    pods_serve_tls: bool


CAPABILITIES: Mapping[EngineType, Capabilities] = MappingProxyType(
    {
        "Quiver": Capabilities(has_default_image=True, pods_serve_tls=True),
        "Milvus1": Capabilities(has_default_image=False, pods_serve_tls=False),
    }
)
