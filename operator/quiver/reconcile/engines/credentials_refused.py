"""The verdict on an engine that does not let the operator in. Pure."""

from quiver.domain.conditions import Verdict
from quiver.domain.engines import AUTH_SECRET_TYPE, VectorEngine
from quiver.domain.reasons import Reason
from quiver.reconcile.engines.gather import Gathered


def credentials_refused(gathered: Gathered) -> Verdict | None:
    """Return the verdict if a member refuses the login, or wants one. It quotes the first."""
    refused = gathered.looks.refused
    if not refused:
        return None
    why = refused[min(refused)]
    message = f"{_what(gathered.engine)}: {why}. {_cure(gathered.engine)}"
    return Verdict.stalled(Reason.CREDENTIALS_REFUSED, message)


def _what(engine: VectorEngine) -> str:
    auth = engine.spec.auth
    if engine.spec.type != "Milvus":
        return "The engine does not let Quiver in"
    if auth is None:
        return "The engine wants a login, and spec.auth names none"
    return f"The engine refuses the login of Secret {auth.secret_name!r} (spec.auth.secretName)"


def _cure(engine: VectorEngine) -> str:
    if engine.spec.type != "Milvus":
        return (
            f"No server of type {engine.spec.type} has users: look what listens there, or stands "
            "in front of it."
        )
    if engine.spec.auth is None:
        return (
            f"Create a Secret of type {AUTH_SECRET_TYPE} with username and password, or token, and "
            "name it in spec.auth.secretName."
        )
    return (
        "Correct the Secret, or the user on the server. Quiver reads the Secret again once a "
        "minute, and then goes on by itself."
    )
