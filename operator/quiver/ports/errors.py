"""What can go wrong outside, sorted by what the operator can do about it."""


class PortError(Exception):
    """The outside world failed a call.

    `answered` tells whether the other side answered it: then nothing of the call is on its way.
    """

    answered = True


class EngineError(PortError):
    """A call to an engine failed.

    `retriable` tells whether the same call may succeed later although nobody changes anything.
    """

    retriable = True


class EngineUnreachable(EngineError):
    """The engine did not answer in time, or its connection broke.

    Whether the call took effect is unknown.
    """

    answered = False


class EngineRefused(EngineError):
    """The engine answered with an error.

    `code` is the protocol's name for it, such as ILLEGAL_DIMENSION. It is for people and metrics:
    decisions depend on `retriable` alone, which the driver sets.
    """

    def __init__(self, code: str, reason: str, *, retriable: bool = False) -> None:
        super().__init__(f"{reason} ({code})")
        self.code = code
        self.reason = reason
        self.retriable = retriable


class WrongEngine(EngineError):
    """The server at the address is another than the one that the call is meant for.

    Nothing was done.
    """


class NameNotResolved(PortError):
    """A name has no address, or its name servers did not tell in time."""


class ApiError(PortError):
    """A call to the Kubernetes API failed."""


class Conflict(ApiError):
    """409: the object changed, or was made anew, since it was read."""


class NotFound(ApiError):
    """404: the object is gone."""


class ApiRefused(ApiError):
    """The API server will not take the request as it is (403, 422, ...); the message is its own."""


class ApiUnavailable(ApiError):
    """The API server did not answer, or answered with 429 or 5xx."""

    answered = False
