"""The few API calls that localcluster makes itself, without a Kubernetes client library."""

from __future__ import annotations

import http.client
import json
import ssl
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

CALL_TIMEOUT_S = 5.0


class ApiClient:
    """Talks to an API server with a client certificate."""

    def __init__(self, server: str, authority: Path, certificate: Path, key: Path) -> None:
        """Address and credentials; nothing is sent yet."""
        self._server = server
        self._tls = ssl.create_default_context(cafile=str(authority))
        self._tls.load_cert_chain(certificate, key)
        # The cluster is on this machine: a proxy from the environment must not come between.
        self._opener = urllib.request.build_opener(
            urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=self._tls)
        )

    def exists(self, path: str) -> bool:
        """Whether a GET of the path succeeds."""
        return self.get(path) is not None

    def get(self, path: str) -> dict[str, Any] | None:
        """The object at the path; None when it is missing or nobody answers."""
        try:
            return self._call(urllib.request.Request(self._server + path))  # noqa: S310
        except (OSError, urllib.error.URLError, http.client.HTTPException):
            return None

    def post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """Create an object. Raises urllib.error.HTTPError when the server refuses it."""
        request = urllib.request.Request(  # noqa: S310
            self._server + path,
            data=json.dumps(body).encode(),
            headers={"Content-Type": "application/json"},
        )
        return self._call(request)

    def _call(self, request: urllib.request.Request) -> dict[str, Any]:
        with self._opener.open(request, timeout=CALL_TIMEOUT_S) as response:
            content = response.read()
        try:
            parsed: dict[str, Any] = json.loads(content)
        except ValueError:
            return {"text": content.decode(errors="replace")}
        return parsed
