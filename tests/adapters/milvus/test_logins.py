"""The login that calls to Milvus carry, and that nobody is to read."""

import base64
import logging

import grpc
import pytest

from quiver.domain.access import Login, Target
from quiver.ports.errors import (
    EngineError,
    EngineUnauthenticated,
)
from quiver_proto import milvus2_pb2 as pb
from support.scripted_milvus import At, ScriptedMilvus, refusal

TOKEN = "robot:s3cret-pass"  # noqa: S105 - of nobody
LOGIN = Login(TOKEN)
ENCODED = base64.b64encode(TOKEN.encode()).decode()


async def test_every_call_carries_the_login(server: ScriptedMilvus, at: At) -> None:
    """As Milvus' own clients send it; without one, nothing is sent."""
    client = at(LOGIN)
    await client.version()
    await client.list_collections()
    await client.describe("docs")
    assert {found.get("authorization") for found in server.metadata} == {ENCODED}
    server.metadata.clear()
    await at().version()
    assert "authorization" not in server.metadata[0]


@pytest.mark.parametrize("said", [TOKEN, ENCODED, "s3cret-pass", f"user {TOKEN} ({ENCODED})"])
async def test_a_server_that_repeats_the_login_is_not_quoted_with_it(
    server: ScriptedMilvus, at: At, said: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Whatever code the refusal has; what else it says stands."""
    caplog.set_level(logging.DEBUG)
    for code in (1100, 1400, 1401, 800, 7, 65535):
        server.tells["CreatePartition"] = refusal(code, f"bad: {said}")
        with pytest.raises(EngineError) as failed:
            await at(LOGIN).create_partition("docs", "b")
        assert "bad: " in str(failed.value)
        assert "s3cret" not in repr(failed.value)
        assert ENCODED not in repr(failed.value)
    assert "s3cret" not in caplog.text
    assert ENCODED not in caplog.text
    assert "s3cret" not in repr(Target(server.address, "Milvus", login=LOGIN))


@pytest.mark.parametrize("login", [LOGIN, None])
async def test_a_login_that_is_not_accepted_is_no_outage(
    server: ScriptedMilvus, at: At, login: Login | None
) -> None:
    """Whether it is wrong, missing, or may too little; by gRPC's status or by Milvus' code."""
    codes = (grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.PERMISSION_DENIED)
    for told in (*codes, pb.GetVersionResponse(status=refusal(1400)), _denied()):
        server.tells["GetVersion"] = told
        with pytest.raises(EngineUnauthenticated) as failed:
            await at(login).version()
        assert not failed.value.retriable
    server.tells["GetVersion"] = grpc.StatusCode.UNAUTHENTICATED
    words = "does not accept the login" if login else "wants a login, and was shown none"
    with pytest.raises(EngineUnauthenticated, match=words):
        await at(login).version()


def _denied() -> pb.GetVersionResponse:
    return pb.GetVersionResponse(status=refusal(1401, "PrivilegeLoad: permission deny"))
