"""The interceptors of calls to engines: one checks leadership, one measures."""

import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

from quiver.control.observe.metrics import Metrics
from quiver.control.work.interception import Answer, EngineCall
from quiver.ports.errors import EngineRefused, EngineUnauthenticated, EngineUnreachable, WrongEngine


class LeadershipInterceptor:
    """Sends calls that change something only while this process leads."""

    def __init__(self, writing: Callable[[], AbstractContextManager[None]]) -> None:
        """`writing` makes the context in which such a call is sent. It raises to forbid it."""
        self._writing = writing

    async def __call__(self, call: EngineCall[Answer]) -> Answer:
        with self._writing() if call.changes else nullcontext():
            return await call.send()


class MetricsInterceptor:
    """Counts and times calls, by name and outcome."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    async def __call__(self, call: EngineCall[Answer]) -> Answer:
        started, code = time.perf_counter(), "OK"
        try:
            return await call.send()
        except BaseException as error:
            code = _code_of(error)
            raise
        finally:
            self._metrics.count_engine_call(call.name, code, time.perf_counter() - started)


def _code_of(error: BaseException) -> str:
    match error:
        case EngineRefused(code=code):
            return code
        case EngineUnreachable():
            return "UNREACHABLE"
        case EngineUnauthenticated():
            return "UNAUTHENTICATED"
        case WrongEngine():
            return "WRONG_ENGINE"
        case _:
            return "ABANDONED"
