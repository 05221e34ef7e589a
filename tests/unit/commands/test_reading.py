"""What cannot be read is told, and an API server that is gone is no empty cluster."""

from typing import Any, cast

import pytest

from quiver.commands.reading import Reading
from quiver.domain.kubernetes_types import POD, Key
from quiver.ports.errors import ApiError, ApiRefused, ApiUnavailable, NotFound


class Failing:
    """An API whose answers are all the same error."""

    def __init__(self, error: ApiError) -> None:
        self._error = error

    async def list(self, *_: Any) -> Any:
        raise self._error

    async def get(self, *_: Any) -> Any:
        raise self._error


def reading(error: ApiError, *, patient: bool = False) -> Reading:
    return Reading(cast("Any", Failing(error)), patient=patient)


@pytest.mark.parametrize(
    ("error", "why"),
    [
        (ApiRefused("pods is\x1b[2J forbidden"), "not allowed to list: pods is [2J forbidden"),
        (NotFound("x"), "the cluster has no v1 Pod"),
    ],
)
async def test_why_is_told(error: ApiError, why: str) -> None:
    found = reading(error)
    assert await found.listed(POD, "team-a") is None
    assert found.unread == {"pods in namespace team-a": why}


async def test_an_api_server_that_is_gone_ends_it() -> None:
    with pytest.raises(ApiUnavailable):
        await reading(ApiUnavailable("gone")).listed(POD, "")
    with pytest.raises(ApiUnavailable):
        await reading(ApiUnavailable("gone")).get(POD, Key("a", "b"))


async def test_a_report_goes_on_and_says_what_it_lacks() -> None:
    found = reading(ApiUnavailable("gone"), patient=True)
    assert await found.listed(POD, "") is None
    assert await found.get(POD, Key("a", "b")) is None
    assert found.unread == {"pods in all namespaces": "gone", "Pod a/b": "gone"}
