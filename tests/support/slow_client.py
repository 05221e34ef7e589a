"""A client of gRPC over HTTP/2 that begins a request and never ends it."""

import socket
import struct

_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_DATA, _HEADERS, _SETTINGS = 0, 1, 4
_END_HEADERS = 4


class SlowClient:
    """Announces a message of `size` bytes and sends a few of them; use it as a context."""

    def __init__(self, address: str, rpc: str, size: int = 1 << 20) -> None:
        host, _, port = address.rpartition(":")
        self._socket = socket.create_connection((host, int(port)))
        headers = {
            ":method": "POST",
            ":scheme": "http",
            ":path": f"/milvus.grpc.MilvusService/{rpc}",
            ":authority": address,
            "content-type": "application/grpc",
            "te": "trailers",
        }
        fields = b"".join(_field(name, value) for name, value in headers.items())
        self._socket.sendall(
            _PREFACE
            + _frame(_SETTINGS, 0, 0, b"")
            + _frame(_HEADERS, _END_HEADERS, 1, fields)
            + _frame(_DATA, 0, 1, struct.pack(">BI", 0, size) + bytes(10))
        )

    def close(self) -> None:
        self._socket.close()


def _field(name: str, value: str) -> bytes:
    """Return a header as a literal that is not indexed (RFC 7541, 6.2.2)."""
    return b"\0" + b"".join(bytes([len(text)]) + text.encode() for text in (name, value))


def _frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    return len(payload).to_bytes(3) + struct.pack(">BBI", kind, flags, stream) + payload
