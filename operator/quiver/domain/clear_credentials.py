"""The condition CredentialsInClear: Quiver logs in to an engine without TLS."""

from datetime import datetime

from quiver.domain.conditions import timestamp
from quiver.domain.engines import EngineSpec
from quiver.domain.kubernetes_types import Condition, find_condition
from quiver.domain.reasons import Reason

CREDENTIALS_IN_CLEAR = "CredentialsInClear"
_MESSAGE = (
    "spec.auth is set without spec.tls: with each call the credentials are sent in the clear, and "
    "whoever sees the traffic can log in with them. Have the engine serve TLS, and set spec.tls "
    "({} for a certificate of a public CA). Then change the password."
)


def clear_condition(
    spec: EngineSpec, previous: tuple[Condition, ...], generation: int, now: datetime
) -> tuple[Condition, ...]:
    """Return the condition, if the spec asks for that."""
    if spec.auth is None or spec.tls is not None:
        return ()
    before = find_condition(previous, CREDENTIALS_IN_CLEAR)
    since = before.last_transition_time if before is not None else None
    condition = Condition(
        type=CREDENTIALS_IN_CLEAR,
        status="True",
        reason=Reason.NO_TLS,
        message=_MESSAGE,
        last_transition_time=since or timestamp(now),
        observed_generation=generation,
    )
    return (condition,)
