"""Log records that say which object they are about."""

import json
import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from types import MappingProxyType

LIMIT = 8192
"""Characters of a message, or of a field: container runtimes cut lines at 16 KiB."""
TRACE_LIMIT = 65536
"""Characters of a traceback."""

_context: ContextVar[Mapping[str, str]] = ContextVar("log_context", default=MappingProxyType({}))


@contextmanager
def log_context(**fields: str) -> Iterator[None]:
    """Have every record logged meanwhile, here and in tasks started here, carry the fields."""
    # Text by type only: a looser CRD may have let an object with something else through.
    told = {name: str(value) for name, value in fields.items()}
    token = _context.set({**_context.get(), **told})
    try:
        yield
    finally:
        _context.reset(token)


class TextFormatter(logging.Formatter):
    """One line for people: time, level, message, then the fields as name=value.

    Lines that begin otherwise are a traceback's, which stands indented below its message: nobody's
    words can look like a record of their own.
    """

    def format(self, record: logging.LogRecord) -> str:
        fields = " ".join(f"{name}={_line(value)}" for name, value in _context.get().items())
        line = f"{_moment(record)} {record.levelname:<7} {_line(record.getMessage())}"
        trace = self.formatException(record.exc_info) if record.exc_info else ""
        below = [f"    {_line(each)}" for each in _bounded(trace, TRACE_LIMIT).split("\n") if each]
        return "\n".join([f"{line}  [{fields}]" if fields else line, *below])


class JsonFormatter(logging.Formatter):
    """One JSON object per record, for log collectors."""

    def format(self, record: logging.LogRecord) -> str:
        entry = {
            "time": _moment(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": _bounded(record.getMessage()),
            **{name: _bounded(value) for name, value in _context.get().items()},
        }
        if record.exc_info:
            entry["exception"] = _bounded(self.formatException(record.exc_info), TRACE_LIMIT)
        # ASCII alone: some readers take U+2028 and the like for the end of a line.
        return json.dumps(entry)


def _line(text: str) -> str:
    """Return the text with all that does not print escaped, as Python's literals have it."""
    bounded = _bounded(text)
    if bounded.isprintable():
        return bounded
    return _bounded("".join(c if c.isprintable() else _escaped(c) for c in bounded))


def _escaped(character: str) -> str:
    return character.encode("unicode_escape").decode()


def _bounded(text: str, limit: int = LIMIT) -> str:
    return text if len(text) <= limit else text[: limit - 1] + "…"


def _moment(record: logging.LogRecord) -> str:
    time = datetime.fromtimestamp(record.created, UTC)
    return time.isoformat(timespec="milliseconds").replace("+00:00", "Z")
