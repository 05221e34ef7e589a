"""What of a report is left out, and what is not."""

import pytest

from quiver.domain.kubernetes_types import Manifest
from quiver.domain.redaction import REDACTED, Redaction, looks_secret
from support.builders import engine, pod

PLANTED = "hunter2-of-team-a"


def container(**fields: object) -> Manifest:
    return {**pod(), "spec": {"containers": [{"name": "engine", **fields}]}}


@pytest.mark.parametrize(
    "name",
    ["PASSWORD", "DB_PASSWD", "MINIO_SECRET", "apiKey", "AWS_ACCESS_KEY", "token", "PGPASS_AUTH"],
)
def test_names_of_secrets(name: str) -> None:
    assert looks_secret(name)


@pytest.mark.parametrize(
    "name", ["secretName", "tokenExpirationSeconds", "PASSWORD_FILE", "key", "LOG_LEVEL", "author"]
)
def test_references_and_others_are_no_secrets(name: str) -> None:
    assert not looks_secret(name)


@pytest.mark.parametrize(
    "fields",
    [
        {"env": [{"name": "PASSWORD", "value": PLANTED}]},
        {"args": [f"--password={PLANTED}"]},
        {"command": ["run", "--auth-token", PLANTED]},
    ],
)
def test_values_are_left_out_there_and_elsewhere(fields: dict[str, object]) -> None:
    """What a pod's spec tells in one place is not in its logs either."""
    redaction = Redaction()
    found = redaction.object(container(**fields))
    assert PLANTED not in str(found)
    assert REDACTED in str(found)
    assert PLANTED not in redaction.text(f"connecting with {PLANTED}!")
    assert redaction.count >= 2


def test_references_stay() -> None:
    """They are what a bug is found by."""
    source = {"secretKeyRef": {"name": "login", "key": "password"}}
    env = [{"name": "PASSWORD", "valueFrom": source}, {"name": "LOG_LEVEL", "value": "debug"}]
    assert Redaction().object(container(env=env)) == container(env=env)
    spec = {"auth": {"secretName": "login"}, "nodeSelector": {"key": "value"}}
    assert Redaction().object(engine(spec=spec)) == engine(spec=spec)


def test_what_was_applied_and_who_manages_fields_are_left_out() -> None:
    last = {"kubectl.kubernetes.io/last-applied-configuration": PLANTED}
    found = Redaction().object(engine(annotations=last, managedFields=[{"manager": "x"}]))
    assert found == engine()


@pytest.mark.parametrize(
    "text",
    [
        f"postgres://user:{PLANTED}@db:5432/x",
        f"authorization: Bearer {PLANTED}",
        f'{{"password": "{PLANTED}"}}',
        f"password={PLANTED}",
    ],
)
def test_secrets_in_texts_are_left_out(text: str) -> None:
    assert PLANTED not in Redaction().text(text)


@pytest.mark.parametrize(
    "text",
    [
        "automountServiceAccountToken: false",
        "secretName: login",
        "token:\n  type: string\n",
        "the token of the page is 7",
        "http://127.0.0.1:8080/metrics",
        "SecretNotFound: There is no Secret 'login' in namespace 'team-a'",
        "--secrets-role=quiver-system:quiver-secrets",
    ],
)
def test_other_texts_stay(text: str) -> None:
    redaction = Redaction()
    assert redaction.text(text) == text
    assert redaction.count == 0
