"""From gRPC to the ports' errors, in words for people: one line each, whatever a server says."""

import logging

import grpc.aio

from quiver.domain.access import Target
from quiver.domain.text import one_line
from quiver.ports.errors import EngineError, EngineRefused, EngineUnreachable, WrongEngine
from quiver_proto import milvus_pb2 as pb

RETRIABLE = frozenset({pb.UNEXPECTED_ERROR, pb.OUT_OF_MEMORY, pb.META_FAILED, pb.CACHE_FAILED})
"""What a server may answer now and not later; any other refusal stands until something changes."""

_COMPLAINTS = ("Exception deserializing", "Invalid encoding")
"""What gRPC logs, traceback and all, about answers that are no messages, and reasons that are no
UTF-8. The errors of this module say the same.
"""


def _tells_something_else(record: logging.LogRecord) -> bool:
    return not str(record.msg).startswith(_COMPLAINTS)


for _logger in ("grpc._common", "grpc._cython.cygrpc"):
    logging.getLogger(_logger).addFilter(_tells_something_else)


def error_for(error: grpc.aio.AioRpcError, target: Target, deadline: float) -> EngineError:
    """Return the error for a call to `target` that failed below the protocol; `deadline` is in
    seconds.
    """
    code, address = error.code(), target.name
    details = one_line(error.details() or "") or "no details"
    if code is grpc.StatusCode.UNIMPLEMENTED:
        reason = f"{address} does not speak the Milvus 1.x protocol"
        return EngineRefused(code.name, reason)
    if code is grpc.StatusCode.DEADLINE_EXCEEDED:
        return EngineUnreachable(f"{address} did not answer within {deadline:g} s")
    if code is grpc.StatusCode.UNAVAILABLE:
        cause = _cause(error.details() or "", over_tls=target.tls is not None)
        return EngineUnreachable(f"{address} cannot be reached: {cause or details}")
    if code is grpc.StatusCode.FAILED_PRECONDITION and target.instance is not None:
        return WrongEngine(f"{address} is another engine than the one meant, and did nothing")
    if code is grpc.StatusCode.RESOURCE_EXHAUSTED:
        return EngineRefused(code.name, f"{address}: {details}")
    return EngineUnreachable(f"{address} failed: {details} ({code.name})")


def refusal_of(status: pb.Status) -> EngineRefused:
    """Return the error for a call that the server answered with another code than SUCCESS."""
    code = status.error_code
    reason = one_line(status.reason) or "no reason given"
    # One name for all codes that the protocol does not have: metrics have a label of it.
    known = code in pb.ErrorCode.values()
    name = pb.ErrorCode.Name(code) if known else "UNKNOWN_CODE"
    return EngineRefused(name, reason, retriable=code in RETRIABLE)


def unreadable(what: str) -> EngineRefused:
    """Return the error for an answer about `what` that no server of the protocol gives."""
    reason = f"what it says of {what} is not as Milvus 1.x says it"
    return EngineRefused("UNREADABLE_ANSWER", reason)


def _cause(details: str, *, over_tls: bool) -> str | None:
    """Pick what a person can use out of gRPC's chain of causes; None where nothing is known."""
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
    return next((words for sign, words in known.items() if sign in lowered), None)
