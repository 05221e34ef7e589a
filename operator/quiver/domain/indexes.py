"""The index of a collection, as specs name it."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from quiver.domain.kubernetes_types import Struct

IndexType = Literal[
    "IVF_FLAT",
    "IVF_SQ8",
    "IVF_SQ8H",
    "IVF_PQ",
    "HNSW",
    "RNSG",
    "ANNOY",
    "AUTOINDEX",
    "DISKANN",
    "SCANN",
    "GPU_CAGRA",
    "GPU_IVF_FLAT",
    "GPU_IVF_PQ",
    "GPU_BRUTE_FORCE",
]


EntryName = Annotated[str, Meta(min_length=1, max_length=256)]


ParamText = Annotated[str, Meta(max_length=256)]


Params = Annotated[dict[EntryName, int | ParamText], Meta(max_length=32)]


class Index(Struct, frozen=True, kw_only=True):
    """The index of a collection; without one, searches are by brute force.

    The names in `params` are the protocol's own.
    """

    type: IndexType
    params: Params = msgspec.field(default_factory=dict)

    def is_met_by(self, found: "Index | None") -> bool:
        """Tell whether `found` has all that this index asks for. Milvus returns numbers as strings,
        and adds its defaults.
        """
        if found is None or found.type != self.type:
            return False
        return all(str(found.params.get(key)) == str(value) for key, value in self.params.items())
