"""Turns gRPC's statuses into the ports' errors. Each message is one short line, whatever the server
sends.
"""

import logging
import re

import grpc.aio

from quiver.adapters.grpc.logins import quoted
from quiver.domain.access import Target
from quiver.ports.errors import (
    EngineError,
    EngineRefused,
    EngineUnauthenticated,
    EngineUnreachable,
    WrongEngine,
)

_SIZES = re.compile(r"\((\d{1,12}) vs\. (\d{1,12})\)", re.ASCII)
_COMPLAINTS = ("Exception deserializing", "Invalid encoding")
"""The beginnings of gRPC's log records about answers that cannot be parsed, and reasons that are
not UTF-8. They carry a traceback, and the errors of this module report the same.
"""

_DENIED = (grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.PERMISSION_DENIED)
_TOO_LARGE = "message larger than max"
"""gRPC's words for an answer that exceeds the receive limit. Asking again would not help."""


def _is_wanted(record: logging.LogRecord) -> bool:
    return not str(record.msg).startswith(_COMPLAINTS)


for _logger in ("grpc._common", "grpc._cython.cygrpc"):
    logging.getLogger(_logger).addFilter(_is_wanted)


def error_for(
    error: grpc.aio.AioRpcError, target: Target, protocol: str, deadline: float
) -> EngineError:
    """Return the error for a call to `target` that failed in the transport.

    `protocol` is the name of the server's protocol, for messages. `deadline` is in seconds.
    """
    code, address = error.code(), target.name
    details = quoted(error.details() or "", target.login) or "no details"
    if code is grpc.StatusCode.UNIMPLEMENTED:
        return EngineRefused(code.name, f"{address} does not speak the {protocol} protocol")
    if code in _DENIED:
        return _unauthenticated(target, code, details)
    if code is grpc.StatusCode.DEADLINE_EXCEEDED:
        return EngineUnreachable(f"{address} did not answer within {deadline:g} s")
    if code is grpc.StatusCode.RESOURCE_EXHAUSTED:
        return _exhausted(address, details)
    if code is grpc.StatusCode.FAILED_PRECONDITION and target.instance is not None:
        return WrongEngine(f"{address} is another engine than the one meant, and did nothing")
    if code is grpc.StatusCode.UNAVAILABLE:
        cause = _cause(error.details() or "", over_tls=target.tls is not None)
        words = f"cannot be reached: {cause or details}"
    else:
        words = f"failed: {details} ({code.name})"
    return EngineUnreachable(f"{address} {words}")


def _unauthenticated(target: Target, code: grpc.StatusCode, details: str) -> EngineUnauthenticated:
    if code is grpc.StatusCode.PERMISSION_DENIED:
        return EngineUnauthenticated(f"{target.name} denies the call: {details}")
    if target.login is None:
        return EngineUnauthenticated(f"{target.name} wants a login, and was shown none")
    return EngineUnauthenticated(f"{target.name} does not accept the login that it was shown")


def _exhausted(address: str, details: str) -> EngineRefused:
    if _TOO_LARGE not in details:
        code = grpc.StatusCode.RESOURCE_EXHAUSTED.name
        return EngineRefused(code, f"{address}: {details}", retriable=True)
    found = _SIZES.search(details)
    sizes = f": {found[1]} bytes, of at most {found[2]}" if found else ""
    reason = (
        f"{address} answered more than Quiver reads of this call{sizes}. Check what listens there,"
        " or remove what is not needed on it"
    )
    return EngineRefused("ANSWER_TOO_LARGE", reason)


def unreadable(what: str, protocol: str) -> EngineRefused:
    """Return the error for an answer about `what` that the protocol does not allow."""
    reason = f"what it says of {what} is not as {protocol} says it"
    return EngineRefused("UNREADABLE_ANSWER", reason)


def _cause(details: str, *, over_tls: bool) -> str | None:
    """Return, in words for users, the cause that gRPC's details name; None for an unknown one."""
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
