"""What the status says of the server's version. Pure."""

from quiver.domain.text import one_line
from quiver.reconcile.engines.gather import Gathered

LONGEST = 64
"""Characters, as the CRD allows."""


def version_of(gathered: Gathered) -> str | None:
    """Return the version of an engine of type Milvus, as it is known: what was answered last."""
    engine = gathered.engine
    if engine.spec.type != "Milvus":
        return None
    answered = gathered.looks.versions
    if not answered:
        return engine.status.version
    return one_line(answered[min(answered)], LONGEST) or None
