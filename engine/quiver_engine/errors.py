"""What can go wrong, as types: a refused request, a start that cannot be, a failed disk."""

from pathlib import Path

from quiver_proto import milvus_pb2 as pb


class RequestError(Exception):
    """A request that is refused; its code and reason are the answer's Status."""

    def __init__(self, code: pb.ErrorCode.ValueType, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


class StartError(Exception):
    """The engine cannot start; the text is one line: what, where, what to do."""


class DiskFailedError(Exception):
    """A write or sync failed so that what is on disk is unknown: the engine must stop.

    After a failed fsync the kernel may report the lost page as clean, so a second try that succeeds
    proves nothing. A restart reads what is really there.
    """


class BuildError(Exception):
    """An index cannot be built over these rows; the text says why."""


class BuildCancelled(Exception):
    """An index that is being built is not wanted any more."""


class DamagedSegment(Exception):
    """A segment file is not what was written; it is left alone, and the rest is served."""

    def __init__(self, path: Path, why: str) -> None:
        super().__init__(f"segment file {path} is damaged: {why}")


class DamagedIndex(Exception):
    """An index file cannot be used; its segment is searched without it and indexed anew."""

    def __init__(self, path: Path, why: str) -> None:
        super().__init__(f"index file {path} is damaged: {why}")


class CallerLeft(Exception):
    """Nobody waits for this answer any more."""


def no_collection(name: str) -> RequestError:
    return RequestError(
        pb.COLLECTION_NOT_EXISTS,
        f"collection {name[:300]!r} does not exist; ShowCollections lists those that do",
    )


def no_partition(collection: str, tag: str) -> RequestError:
    return RequestError(
        pb.UNEXPECTED_ERROR,
        f"collection {collection!r} has no partition {tag[:300]!r};"
        " ShowPartitions lists those it has",
    )
