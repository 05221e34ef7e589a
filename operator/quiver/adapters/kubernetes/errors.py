"""Turns HTTP statuses into the ports' errors."""

import json

from quiver.ports.errors import ApiError, ApiRefused, ApiUnavailable, Conflict, NotFound

_WEBHOOK_FAILED = "failed calling webhook"
"""In the message of a 500: an admission webhook that must agree does not answer."""
_BY_STATUS: dict[int, type[ApiError]] = {404: NotFound, 409: Conflict, 429: ApiUnavailable}


def error_for(status: int, reason: str, body: bytes) -> ApiError:
    """Return the error for an answer of `status` 400 or more, in the API server's own words."""
    message = _message(body) or f"HTTP {status} {reason}".rstrip()
    if status in _BY_STATUS:
        return _BY_STATUS[status](message)
    if status == 500 and _WEBHOOK_FAILED in message:
        return ApiRefused(message, retriable=True)
    # 401 means an expired token, or a server that has not loaded its keys yet. Both are temporary.
    if status >= 500 or status == 401:
        return ApiUnavailable(message)
    return ApiRefused(message)


def _message(body: bytes) -> str | None:
    try:
        status = json.loads(body)
    except ValueError:
        return None
    message = status.get("message") if isinstance(status, dict) else None
    return message if isinstance(message, str) else None
