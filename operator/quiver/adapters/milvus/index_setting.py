"""How an index is set or replaced, over the protocol of Milvus 2.x."""

from __future__ import annotations

from quiver.adapters.milvus.calls import Calls
from quiver.adapters.milvus.errors import UNEXPECTED
from quiver.adapters.milvus.indexes import (
    Found,
    create_index_request,
    drop_index_request,
    find_index,
    same_index_request,
    server_type,
)
from quiver.adapters.milvus.memory import Memory
from quiver.adapters.milvus.names import Place
from quiver.adapters.milvus.refusals import Attempt, Refusals
from quiver.adapters.milvus.schemas import has_bits
from quiver.domain.indexes import Index
from quiver.ports.errors import EngineRefused
from quiver_proto import milvus2_pb2 as pb


class IndexSetting:
    """Sets the indexes of one client's collections."""

    def __init__(self, calls: Calls, memory: Memory, refusals: Refusals) -> None:
        self._calls = calls
        self._memory = memory
        self._refusals = refusals

    async def set(self, place: Place, index: Index | None, metric_type: str | None) -> None:
        """Set the index, or replace the one that is there: a field has one. Raises: EngineError.

        A refused index leaves that one in place, and the collection loaded as it was.
        """
        is_binary = has_bits(await self._calls.found(place))
        before = await find_index(self._calls, place)
        if before is None:
            request = create_index_request(place, index, metric_type, is_binary=is_binary)
            await self.create(request)
            return
        metric_type = metric_type or before.metric_type
        if before.is_met(server_type(index, is_binary=is_binary), index, metric_type):
            return
        request = create_index_request(place, index, metric_type, is_binary=is_binary)
        restored = same_index_request(place, before)
        await self.replace(place, before, request, restored=restored)

    async def replace(
        self,
        place: Place,
        before: Found,
        request: pb.CreateIndexRequest,
        *,
        restored: pb.CreateIndexRequest,
        while_loaded: bool = False,
    ) -> None:
        """Put another index in the place of `before`; if it is refused, the one that is `restored`.

        `while_loaded`: the server may drop this index of a collection in memory. Raises:
        EngineError.
        """
        attempt = (self._calls.address, place.name, request.SerializeToString())
        self._refusals.check(attempt)
        copies = await self._take(place, before, attempt, while_loaded=while_loaded)
        try:
            await self.create(request)
        except EngineRefused as error:
            self._refusals.note(attempt, error)
            await self.create(restored)
            if copies:
                await self._memory.load(place, copies)
            raise

    async def drop(self, place: Place, found: Found, *, while_loaded: bool) -> None:
        """Drop an index. Raises: EngineError."""
        attempt = (self._calls.address, place.name, f"no index {found.name}".encode())
        self._refusals.check(attempt)
        await self._take(place, found, attempt, while_loaded=while_loaded)

    async def _take(
        self, place: Place, found: Found, attempt: Attempt, *, while_loaded: bool
    ) -> int:
        """Drop an index. Return how many copies of the collection it has cost: none, if the server
        does it `while_loaded`. milvus-lite never does, whatever version it tells.

        If it is refused, the collection is loaded as it was.
        """
        if while_loaded:
            try:
                await self._drop(place, found)
            except EngineRefused as error:
                if error.retriable and error.code != UNEXPECTED:
                    raise
            else:
                return 0
        copies = await self._memory.release_if_loaded(place)
        try:
            await self._drop(place, found)
        except EngineRefused as error:
            if copies:
                self._refusals.note(attempt, error)
                await self._memory.load(place, copies)
            raise
        return copies

    async def _drop(self, place: Place, found: Found) -> None:
        request = drop_index_request(place, found)
        await self._calls.change(lambda stub: stub.DropIndex, request)

    async def create(self, request: pb.CreateIndexRequest) -> None:
        """Raises: EngineError, which is never worth another try where the server does not say what
        has failed.
        """
        try:
            await self._calls.change(lambda stub: stub.CreateIndex, request)
        except EngineRefused as error:
            if error.code != UNEXPECTED:
                raise
            # Servers have no code for parameters that cannot be, and an unknown failure of this
            # call is nearly always one: it stands until somebody changes them.
            raise EngineRefused(error.code, error.reason) from error
