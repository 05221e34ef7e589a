"""What a server's version can do, as far as a call asks."""

from __future__ import annotations

from quiver.adapters.milvus.calls import Calls
from quiver.adapters.milvus.errors import UNIMPLEMENTED
from quiver.domain.milvus_versions import Feature, can, needed, parse_version
from quiver.domain.text import one_line
from quiver.ports.errors import EngineRefused


async def require(calls: Calls, *features: Feature) -> None:
    """Raises: EngineRefused if the server's version cannot do all of it."""
    if not features:
        return
    version = await calls.version()
    for feature in features:
        if not can(parse_version(version), feature):
            reason = f"{needed(feature)}, and this is {one_line(version)}"
            raise EngineRefused(UNIMPLEMENTED, reason)


async def is_sure_to(calls: Calls, feature: Feature) -> bool:
    """Tell whether the server's version can do it: an unknown one may not."""
    version = parse_version(await calls.version())
    return version is not None and can(version, feature)
