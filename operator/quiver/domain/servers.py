"""How the operator identifies a server that holds collections."""

import hashlib
from typing import NamedTuple

from quiver.domain.collections import Claim

_DIGITS = 32


class Server(NamedTuple):
    """The server behind a member, as it answered when the operator asked it.

    `instance` is the id of its data directory, which Quiver's engine reports; None for any other
    server. `address` is where the operator dialled an external server; None for a pod, whose
    VectorEngine has the uid `engine_uid`.
    """

    engine_uid: str
    instance: str | None
    address: str | None

    @property
    def identity(self) -> str:
        """What claims record of the server.

        Claims are in the status of objects, so an instance is recorded as a digest. Its id stays
        known only to clients that can reach the engine, and no other server can pretend to be it.
        """
        if self.instance is not None:
            digest = hashlib.sha256(self.instance.encode()).hexdigest()
            return f"instance:{digest[:_DIGITS]}"
        return self._place

    @property
    def _place(self) -> str:
        pod = f"engine:{self.engine_uid}"
        return pod if self.address is None else f"address:{self.address}"

    def is_of(self, claim: Claim) -> bool:
        """Tell whether the claim was made on this server.

        A claim records the server. The engine may have been upgraded since to one that reports an
        instance, or rolled back to one that does not: a pod is then identified by the uid of its
        VectorEngine. So is any server, for a claim of the previous release.
        """
        if claim.server in (self.identity, self._place):
            return True
        is_rolled_back = self.instance is None and self.address is None
        return (claim.server is None or is_rolled_back) and claim.engine_uid == self.engine_uid


def is_of_another_engine(claim: Claim, engine_uid: str) -> bool:
    """Tell whether the claim was made on a server that is known by the uid of its VectorEngine, and
    that is another one: whichever server answers, the claim is not of it.
    """
    recorded = claim.server or f"engine:{claim.engine_uid}"
    return recorded.startswith("engine:") and recorded != f"engine:{engine_uid}"
