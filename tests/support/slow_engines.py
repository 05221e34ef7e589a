"""Many servers that answer just inside the deadline of a call, as one process."""

import asyncio
from collections.abc import Iterator
from typing import Any

from quiver_proto import milvus_pb2 as pb
from support.grpc_server import RawServer
from support.hostile_server import answer_of


class SlowEngines(RawServer):
    """Takes calls at every loopback address. `under_way` is how many wait for their answer now."""

    def __init__(self, late: float) -> None:
        """`late` is in seconds, for each answer."""
        super().__init__("0.0.0.0")  # noqa: S104 - of a test, for a few seconds
        self.under_way = 0
        self._late = late

    def addresses(self, count: int) -> Iterator[str]:
        """Yield addresses that no two engines share."""
        port = self.address.rpartition(":")[2]
        for number in range(count):
            yield f"127.77.{number // 250}.{1 + number % 250}:{port}"

    async def respond(self, path: str, _request: bytes, _context: Any) -> bytes:
        self.under_way += 1
        try:
            await asyncio.sleep(self._late)
        finally:
            self.under_way -= 1
        return answer_of(path.rpartition("/")[2], pb.Status())
