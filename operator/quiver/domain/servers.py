"""What a server that holds collections is, whatever it is called and wherever it listens."""

import hashlib
from typing import NamedTuple

from quiver.domain.collections import Claim

_DIGITS = 32


class Server(NamedTuple):
    """The server behind a member, as it was found when it was asked.

    `instance` is the id of its data directory, which an engine of Quiver's tells; None elsewhere.
    `address` is where it was dialled, if others run it; None for a pod of Quiver's, whose
    VectorEngine has the uid `engine_uid`.
    """

    engine_uid: str
    instance: str | None
    address: str | None

    @property
    def identity(self) -> str:
        """What claims remember of it.

        Of an instance it is a digest, since it stands in the status of objects: only who can reach
        the engine can tell its id, and so make a server that passes for it.
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

        A claim remembers the server. An engine that tells its instance now may have told none when
        the claim was made, or the other way round where it was rolled back: then a pod is known by
        the uid of its engine. So is any server, for claims that the release before has made.
        """
        if claim.server in (self.identity, self._place):
            return True
        is_rolled_back = self.instance is None and self.address is None
        return (claim.server is None or is_rolled_back) and claim.engine_uid == self.engine_uid
