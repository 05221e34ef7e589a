"""From gRPC to the ports' errors, in words for people."""

import grpc.aio

from quiver.domain.access import Target
from quiver.ports.errors import EngineError, EngineRefused, EngineUnreachable


def error_for(error: grpc.aio.AioRpcError, target: Target, deadline: float) -> EngineError:
    """Return the error for a call to `target` that failed below the protocol; `deadline` is in
    seconds.
    """
    code, address = error.code(), target.address
    if code is grpc.StatusCode.UNIMPLEMENTED:
        reason = f"{address} does not speak the Milvus 1.x protocol"
        return EngineRefused(code.name, reason)
    if code is grpc.StatusCode.DEADLINE_EXCEEDED:
        return EngineUnreachable(f"{address} did not answer within {deadline:g} s")
    if code is grpc.StatusCode.UNAVAILABLE:
        cause = _cause(error.details() or "", over_tls=target.tls is not None)
        return EngineUnreachable(f"{address} cannot be reached: {cause}")
    if code is grpc.StatusCode.RESOURCE_EXHAUSTED:
        return EngineRefused(code.name, f"{address}: {error.details()}")
    return EngineUnreachable(f"{address} failed: {error.details() or 'no details'} ({code.name})")


def _cause(details: str, *, over_tls: bool) -> str:
    """Pick what a person can use out of gRPC's chain of causes."""
    closed = "the connection was closed"
    if over_tls:
        closed += ", as by an engine that wants a client certificate, or another one"
    known = {
        "certificate has expired": "its certificate has expired",
        "certificate is not yet valid": "its certificate is not valid yet",
        "hostname verification check failed": "its certificate is for other names than this one",
        "certificate_verify_failed": "its certificate is of no CA that is trusted for it",
        "wrong_version_number": "it does not speak TLS",
        "failed to create security handshaker": "gRPC cannot use the certificates for it",
        "connection refused": "connection refused",
        "no route to host": "no route to host",
        "name resolution": "its name cannot be resolved",
        "dns resolution failed": "its name cannot be resolved",
        "domain name not found": "its name cannot be resolved",
        "connection reset": "the connection was reset",
        "socket closed": closed,
        "timed out": "connecting took too long",
        "timeout": "connecting took too long",
    }
    lowered = details.lower()
    return next(
        (words for sign, words in known.items() if sign in lowered), details or "no details"
    )
