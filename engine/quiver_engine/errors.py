"""The engine's errors: refused requests, a failed start, a failed disk, damaged files."""

from pathlib import Path

from quiver_proto import milvus_pb2 as pb


class RequestError(Exception):
    """A request that is refused; `code` and `reason` become the Status of the answer."""

    def __init__(self, code: pb.ErrorCode.ValueType, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


class DiskIsFull(RequestError):
    """A request, or work in the background, has to write and finds no room.

    `before` goes before the words on the disk.
    """

    def __init__(
        self, code: pb.ErrorCode.ValueType = pb.UNEXPECTED_ERROR, before: str = ""
    ) -> None:
        cure = "drop collections, enlarge the volume or otherwise free space and try again"
        super().__init__(code, f"{before}the disk is full: {cure}")


class StartError(Exception):
    """The engine cannot start; the text is one line that says what is wrong, where, what to do."""


class DiskFailedError(Exception):
    """A write or sync failed, so it is unknown what is on disk: the engine must stop.

    After a failed fsync the kernel may count the lost page as clean, so a second try that succeeds
    proves nothing. A restart reads what is really there.
    """


class BuildError(Exception):
    """An index cannot be built over these rows; the text says why."""


class BuildCancelled(Exception):
    """An index that is being built is no longer wanted."""


class DamagedSegment(Exception):
    """A segment file is not what was written. It is kept and left out; all else is served."""

    def __init__(self, path: Path, why: str) -> None:
        super().__init__(f"segment file {path} is damaged: {why}")
        self.why = why


class DamagedIndex(Exception):
    """An index file cannot be used. Its segment is searched without it and indexed anew."""

    def __init__(self, path: Path, why: str) -> None:
        super().__init__(f"index file {path} is damaged: {why}")
        self.why = why


class CallerLeft(Exception):
    """The caller no longer waits for the answer."""


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
