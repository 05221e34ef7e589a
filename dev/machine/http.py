"""Asking a process on this machine over HTTP."""

from __future__ import annotations

import urllib.error
import urllib.request

TIMEOUT_S = 5.0


def get(url: str) -> tuple[int, str]:
    """Return status and body, of a refusal too. Raises OSError where there is no answer."""
    try:
        with urllib.request.urlopen(url, timeout=TIMEOUT_S) as answer:  # noqa: S310 - callers say http
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()
