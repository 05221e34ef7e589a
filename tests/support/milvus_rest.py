"""A client of Milvus 2.3 over HTTP, for tests that need rows: it takes nothing to install."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Sequence
from typing import Any

TIMEOUT_S = 30.0
OK = 200


class MilvusRest:
    """The collections of the database `default` on a server without users, at HOST:PORT."""

    def __init__(self, address: str) -> None:
        self._base = f"http://{address}/v1/vector"

    def insert(self, collection: str, numbers: Sequence[int], dimension: int) -> None:
        """Insert a row for each number, which is all of its vector and its dynamic field `n`."""
        rows = [{"vector": [float(n)] * dimension, "n": n} for n in numbers]
        self._post("insert", {"collectionName": collection, "data": rows})

    def nearest(self, collection: str, number: int, dimension: int, limit: int) -> list[int]:
        """Return the numbers of the rows that a search finds, the nearest first."""
        found = self._post(
            "search",
            {
                "collectionName": collection,
                "vector": [float(number)] * dimension,
                "limit": limit,
                "outputFields": ["n"],
            },
        )
        return [row["n"] for row in found]

    def _post(self, path: str, body: dict[str, Any]) -> Any:
        request = urllib.request.Request(  # noqa: S310 - http
            f"{self._base}/{path}",
            json.dumps(body).encode(),
            {"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=TIMEOUT_S) as response:  # noqa: S310 - http
            answer = json.load(response)
        if answer["code"] != OK:
            raise RuntimeError(f"{path}: {answer}")
        return answer["data"]
