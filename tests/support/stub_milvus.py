"""A server that answers as Milvus does to whoever asks who it is, with users and TLS."""

import base64
from typing import Any

import grpc
from google.protobuf.message import Message

from quiver_proto import milvus2_pb2 as pb
from support.certificates import OURS, server_pair
from support.grpc_server import RawServer

ANSWERS: dict[str, Message] = {
    "ListDatabases": pb.ListDatabasesResponse(db_names=["default"]),
    "ShowCollections": pb.ShowCollectionsResponse(),
}
MISSING = "missing authorization in header"
WRONG = "auth check failure, please check username and password are correct"
"""The words of Milvus 2.3.5."""


class StubMilvus(RawServer):
    """Has no collections, and creates none. `login` is what it lets in, as USERNAME:PASSWORD; None
    lets in everybody. `shown` has each login that it was shown; `calls` counts its calls.
    """

    def __init__(self, *, login: str | None = None, tls: str | None = None) -> None:
        """`tls` is "server" for a certificate of OURS, "mutual" to want one of a client too."""
        super().__init__(credentials=_credentials(tls) if tls else None)
        self.login = login
        self.version = "v2.6.4"
        self.shown: list[str] = []
        self.calls = 0

    async def respond(self, path: str, request: bytes, context: Any) -> bytes:  # noqa: ARG002
        self.calls += 1
        token = dict(context.invocation_metadata()).get("authorization")
        if token is not None:
            self.shown.append(base64.b64decode(token).decode())
        if self.login is not None and token is None:
            await context.abort(grpc.StatusCode.UNAUTHENTICATED, MISSING)
        if self.login is not None and self.shown[-1] != self.login:
            await context.abort(grpc.StatusCode.UNAUTHENTICATED, WRONG)
        method = path.rpartition("/")[2]
        if method == "GetVersion":
            return pb.GetVersionResponse(version=self.version).SerializeToString()
        if method not in ANSWERS:
            await context.abort(grpc.StatusCode.UNIMPLEMENTED, method)
        return ANSWERS[method].SerializeToString()


def _credentials(tls: str) -> grpc.ServerCredentials:
    pair, is_mutual = server_pair(), tls == "mutual"
    return grpc.ssl_server_credentials(
        [(pair.key, pair.certificate)], OURS.pem if is_mutual else None, is_mutual
    )
