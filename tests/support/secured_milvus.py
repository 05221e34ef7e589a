"""Milvus 2.3.5 with users, and over TLS or mutual TLS."""

import base64
from pathlib import Path
from typing import Any

import grpc

from machine.milvus_servers import MilvusServer
from quiver.domain.access import ClientTls, Login
from quiver_proto import milvus2_pb2 as pb
from support.certificates import OURS, server_pair

ROOT = Login("root:Milvus")
"""Who is there from the first start on, with the password that Milvus documents."""
SHOWN = OURS.client("quiver")
CALL_S = 10.0
SERVICE = "/milvus.proto.milvus.MilvusService"
MODES = {None: "0", "server": "1", "mutual": "2"}


class SecuredMilvus(MilvusServer):
    """Lets in users alone. `tls` is "server" for a certificate of OURS, "mutual" to want one of a
    client too, None for none.
    """

    def __init__(self, folder: Path, tls: str | None = None) -> None:
        super().__init__(folder)
        self._tls = tls

    def _prepare(self) -> None:
        super()._prepare()
        pair = server_pair()
        contents = {"server.pem": pair.certificate, "server.key": pair.key, "ca.pem": OURS.pem}
        for name, content in contents.items():
            (self.folder / name).write_bytes(content)
        self._environment = {
            **self._environment,
            "COMMON_SECURITY_AUTHORIZATIONENABLED": "true",
            "COMMON_SECURITY_TLSMODE": MODES[self._tls],
            "TLS_SERVERPEMPATH": str(self.folder / "server.pem"),
            "TLS_SERVERKEYPATH": str(self.folder / "server.key"),
            "TLS_CAPEMPATH": str(self.folder / "ca.pem"),
        }

    @property
    def client_tls(self) -> ClientTls | None:
        """How to reach it."""
        if self._tls is None:
            return None
        pair = (SHOWN.certificate, SHOWN.key) if self._tls == "mutual" else (None, None)
        return ClientTls(OURS.pem, *pair)

    def add_user(self, username: str, password: str) -> None:
        self._call("CreateCredential", username, _encoded(password))

    def change_password(self, username: str, old: str, new: str) -> None:
        self._call("UpdateCredential", username, _encoded(old), _encoded(new))

    def _call(self, method: str, *fields: str) -> None:
        """Call a method that the operator does not know; `fields` are the request's from 2 on."""
        numbered = ((number << 3 | 2, text.encode()) for number, text in enumerate(fields, 2))
        request = b"".join(bytes([tag, len(text)]) + text for tag, text in numbered)
        with self._channel() as channel:
            send: Any = channel.unary_unary(f"{SERVICE}/{method}")
            status = pb.Status.FromString(send(request, timeout=CALL_S))
        assert (status.code, status.error_code) == (0, 0), status.reason

    def _channel(self) -> grpc.Channel:
        if self._tls is None:
            channel = grpc.insecure_channel(self.address)
        else:
            channel = grpc.secure_channel(
                self.address,
                grpc.ssl_channel_credentials(OURS.pem, SHOWN.key, SHOWN.certificate),
            )
        return grpc.intercept_channel(channel, _AsRoot())


class _AsRoot(grpc.UnaryUnaryClientInterceptor):
    """Logs in with each call."""

    def intercept_unary_unary(self, continuation: Any, details: Any, request: Any) -> Any:
        metadata = (("authorization", _encoded(ROOT.token)),)
        return continuation(details._replace(metadata=metadata), request)


def _encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()
