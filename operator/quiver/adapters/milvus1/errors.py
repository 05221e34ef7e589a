"""From gRPC to the ports' errors, in words for people."""

import grpc.aio

from quiver.ports.errors import EngineError, EngineRefused, EngineUnreachable


def error_for(error: grpc.aio.AioRpcError, address: str, deadline: float) -> EngineError:
    """Return the error for a call to `address` that failed below the protocol; `deadline` is in
    seconds.
    """
    code = error.code()
    if code is grpc.StatusCode.UNIMPLEMENTED:
        reason = f"{address} does not speak the Milvus 1.x protocol"
        return EngineRefused(code.name, reason)
    if code is grpc.StatusCode.DEADLINE_EXCEEDED:
        return EngineUnreachable(f"{address} did not answer within {deadline:g} s")
    if code is grpc.StatusCode.UNAVAILABLE:
        return EngineUnreachable(f"{address} cannot be reached: {_cause(error.details() or '')}")
    if code is grpc.StatusCode.RESOURCE_EXHAUSTED:
        return EngineRefused(code.name, f"{address}: {error.details()}")
    return EngineUnreachable(f"{address} failed: {error.details() or 'no details'} ({code.name})")


def _cause(details: str) -> str:
    """Pick what a person can use out of gRPC's chain of causes."""
    known = {
        "connection refused": "connection refused",
        "no route to host": "no route to host",
        "name resolution": "its name cannot be resolved",
        "dns resolution failed": "its name cannot be resolved",
        "domain name not found": "its name cannot be resolved",
        "connection reset": "the connection was reset",
        "socket closed": "the connection was closed",
        "timed out": "connecting took too long",
        "timeout": "connecting took too long",
    }
    lowered = details.lower()
    return next(
        (words for sign, words in known.items() if sign in lowered), details or "no details"
    )
