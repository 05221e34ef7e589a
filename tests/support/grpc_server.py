"""A gRPC server of a test's own, on a loopback address, that answers with bytes."""

from typing import Any, Self

import grpc.aio


class RawServer(grpc.GenericRpcHandler):
    """Takes every call of every service; use it as a context. `respond` is a subclass's to give."""

    def __init__(
        self, host: str = "127.0.0.1", credentials: grpc.ServerCredentials | None = None
    ) -> None:
        """With `credentials` it speaks TLS alone."""
        self.address = ""
        self._host = host
        self._credentials = credentials
        self._server = grpc.aio.server()

    async def __aenter__(self) -> Self:
        self._server.add_generic_rpc_handlers((self,))
        self.address = f"127.0.0.1:{self._listen(f'{self._host}:0')}"
        await self._server.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._server.stop(None)

    def _listen(self, address: str) -> int:
        if self._credentials is None:
            return self._server.add_insecure_port(address)
        return self._server.add_secure_port(address, self._credentials)

    async def respond(self, path: str, request: bytes, context: Any) -> bytes:
        """Return the answer to a call; `path` is /SERVICE/METHOD."""
        raise NotImplementedError

    def service(self, handler_call_details: Any) -> Any:
        path = handler_call_details.method

        async def answer(request: bytes, context: Any) -> bytes:
            return await self.respond(path, request, context)

        return grpc.unary_unary_rpc_method_handler(answer)
