"""Errors of the API become errors that say what can be done; logins are read anew."""

import json
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from quiver.adapters.kubernetes.connection import Connection, NoCluster, load_configuration
from quiver.adapters.kubernetes.errors import error_for
from quiver.control.observe.metrics import Metrics
from quiver.ports.errors import ApiRefused, ApiUnavailable, Conflict, NotFound


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (404, NotFound),
        (409, Conflict),
        (429, ApiUnavailable),
        (500, ApiUnavailable),
        (503, ApiUnavailable),
        (401, ApiUnavailable),
        (403, ApiRefused),
        (422, ApiRefused),
    ],
)
def test_a_status_code_says_what_can_be_done(status: int, error: type[Exception]) -> None:
    """Waiting mends some failures; the API server's own words are kept for all of them."""
    body = json.dumps({"kind": "Status", "message": "in its own words"}).encode()
    found = error_for(status, "Reason", body)
    assert type(found) is error
    assert str(found) == "in its own words"


def test_a_webhook_that_does_not_answer_is_a_refusal() -> None:
    """The API server works: users have to be told. The webhook may be back without them."""
    words = 'Internal error occurred: failed calling webhook "policy.example.org": refused'
    body = json.dumps({"kind": "Status", "message": words}).encode()
    refusal = error_for(500, "Internal Server Error", body)
    assert isinstance(refusal, ApiRefused)
    assert refusal.retriable
    denied = error_for(403, "Forbidden", body)
    assert isinstance(denied, ApiRefused)
    assert not denied.retriable
    assert type(error_for(503, "Service Unavailable", body)) is ApiUnavailable


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b'{"message": 7}'])
def test_an_answer_without_a_message_has_one(body: bytes) -> None:
    """A proxy's error page is not shown to people; its status is."""
    assert str(error_for(502, "Bad Gateway", body)) == "HTTP 502 Bad Gateway"


async def test_without_a_cluster_it_says_how_to_name_one() -> None:
    """Nothing is guessed: neither ~/.kube/config nor localhost."""
    with pytest.raises(NoCluster, match="KUBECONFIG"):
        await load_configuration({})


async def test_a_kubeconfig_that_is_missing_is_named(tmp_path: Path) -> None:
    """The message holds the path that was given."""
    with pytest.raises(NoCluster, match="not-there"):
        await load_configuration({"KUBECONFIG": str(tmp_path / "not-there")})


async def test_a_rotated_token_is_used(tmp_path: Path) -> None:
    """Each request logs in with the token as the login has it then."""
    configuration = await load_configuration({"KUBECONFIG": str(kubeconfig(tmp_path))})
    connection = Connection(configuration, Metrics())

    def rotate(config: Any) -> None:
        config.api_key["BearerToken"] = "Bearer second"

    assert await connection.authorization() == {"Authorization": "Bearer first"}
    configuration.refresh_api_key_hook = rotate
    assert await connection.authorization() == {"Authorization": "Bearer second"}


async def test_a_login_that_fails_is_an_outage(tmp_path: Path) -> None:
    """A token file that cannot be read right now is tried again, as a connection would be."""
    configuration = await load_configuration({"KUBECONFIG": str(kubeconfig(tmp_path))})

    def fail(_config: Any) -> None:
        raise FileNotFoundError("token")

    configuration.refresh_api_key_hook = fail
    with pytest.raises(aiohttp.ClientConnectionError, match="cannot log in"):
        await Connection(configuration, Metrics()).authorization()


def kubeconfig(directory: Path) -> Path:
    path = directory / "kubeconfig"
    content = {
        "current-context": "here",
        "contexts": [{"name": "here", "context": {"cluster": "here", "user": "me"}}],
        "clusters": [{"name": "here", "cluster": {"server": "http://127.0.0.1:1"}}],
        "users": [{"name": "me", "user": {"token": "first"}}],
    }
    path.write_text(json.dumps(content))
    return path
