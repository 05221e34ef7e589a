"""How the server refuses: with the codes of Milvus from 2.3 on."""

from quiver_proto import milvus2_pb2 as pb

UNAVAILABLE = 2
NO_COLLECTION, NOT_LOADED, LOADED = 100, 101, 104
NO_PARTITION = 200
TOO_FEW_NODES = 304
NO_REPLICA = 400
NO_INDEX, SEVERAL_INDEXES = 700, 702
NO_DATABASE = 800
BAD_PARAMETER = 1100
NO_ALIAS, NAME_TAKEN = 1600, 1601
UNEXPECTED = 65535
_OLD = {NO_COLLECTION: 4, BAD_PARAMETER: 5, NO_INDEX: 25}
"""What clients of 2.2 read."""


class Refusal(Exception):
    """The server does not do it: `code`, and why."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.status = pb.Status(code=code, reason=reason, error_code=_OLD.get(code, 1))


class Panic(Exception):
    """The server falls over, as the real one does."""


def wrong(reason: str) -> Refusal:
    """Return the refusal of a parameter."""
    return Refusal(BAD_PARAMETER, reason)


def unexpected(reason: str) -> Refusal:
    """Return the refusal of what the server has no code for."""
    return Refusal(UNEXPECTED, reason)
