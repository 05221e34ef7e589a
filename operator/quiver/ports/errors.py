"""Failures outside the operator, sorted by what the operator can do about them."""


class PortError(Exception):
    """A call to the outside failed.

    `answered` tells whether the server answered. If it did not, the call may still take effect.
    """

    answered = True


class EngineError(PortError):
    """A call to an engine failed.

    `retriable` tells whether the same call may succeed later even if no user changes anything.
    """

    retriable = True


class EngineUnreachable(EngineError):
    """The engine did not answer in time, or its connection broke.

    Whether the call took effect is unknown.
    """

    answered = False


class EngineRefused(EngineError):
    """The engine answered with an error.

    `code` is the protocol's name for it, such as ILLEGAL_DIMENSION. It is for messages and metrics:
    decisions depend on `retriable` alone, which the driver sets.
    """

    def __init__(self, code: str, reason: str, *, retriable: bool = False) -> None:
        super().__init__(f"{reason} ({code})")
        self.code = code
        self.reason = reason
        self.retriable = retriable


class EngineDiskFull(EngineRefused):
    """The engine refused for want of room on its disk."""

    def __init__(self, code: str, reason: str) -> None:
        super().__init__(code, reason, retriable=True)


class DatabaseNotFound(EngineRefused):
    """The engine has no database of this name."""


class EngineUnauthenticated(EngineError):
    """The engine does not accept the login that the call carried, or wants one."""

    retriable = False


class WrongEngine(EngineError):
    """The server at the address is another than the one that the call is meant for.

    The server has not carried out the call.
    """


class NameNotResolved(PortError):
    """A name has no address, or its name servers did not answer in time."""


class ApiError(PortError):
    """A call to the Kubernetes API failed."""


class Conflict(ApiError):
    """409: the object was changed or recreated since it was read."""


class NotFound(ApiError):
    """404: the object does not exist."""


class ApiRefused(ApiError):
    """The API server refuses the request (403, 422, a webhook that fails, ...). The message is the
    API server's.

    `retriable` tells whether the same request may succeed later even if no user changes anything.
    """

    def __init__(self, message: str, *, retriable: bool = False) -> None:
        super().__init__(message)
        self.retriable = retriable


class ApiUnavailable(ApiError):
    """The API server did not answer, or answered with 429 or 5xx."""

    answered = False
