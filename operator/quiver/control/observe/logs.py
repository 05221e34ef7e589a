"""Formats log records, with the object that they are about, as text or JSON lines."""

import logging
import sys
from collections.abc import Iterator
from typing import Literal

from structlog.contextvars import merge_contextvars
from structlog.processors import JSONRenderer, TimeStamper, format_exc_info
from structlog.stdlib import ProcessorFormatter, add_log_level, add_logger_name
from structlog.typing import EventDict, WrappedLogger

Format = Literal["text", "json"]
LIMIT = 8192
"""Characters of a message, or of a field: container runtimes cut lines at 16 KiB."""
TRACE_LIMIT = 65536
"""Characters of a traceback."""


def set_up_logging(log_format: Format, level: int) -> None:
    """Write all records of at least this level to stderr."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(log_formatter(log_format))
    logging.basicConfig(level=level, handlers=[handler], force=True)


def log_formatter(log_format: Format) -> logging.Formatter:
    """Return the formatter of records.

    The mapping that is bound as structlog's context variable `about` names the object that a record
    is about. The record carries its fields, in their order.
    """
    return ProcessorFormatter(
        foreign_pre_chain=[
            add_log_level,
            add_logger_name,
            TimeStamper(fmt="iso", key="time"),
            merge_contextvars,
        ],
        processors=[
            ProcessorFormatter.remove_processors_meta,
            format_exc_info,
            _bounded_fields,
            # ASCII only: some log collectors take U+2028 and the like for the end of a line.
            JSONRenderer() if log_format == "json" else _text_line,
        ],
    )


def _bounded_fields(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Name the message as log collectors do, and bound all text that tenants or servers control."""
    first = {"time": event.pop("time"), "level": event.pop("level"), "logger": event.pop("logger")}
    message, trace = event.pop("event"), event.pop("exception", None)
    # A looser CRD may have admitted an object whose fields are not strings.
    fields = {name: _bounded(str(value)) for name, value in event.pop("about", {}).items()}
    bounded = {**first, "message": _bounded(message), **fields}
    return bounded if trace is None else {**bounded, "exception": _bounded(trace, TRACE_LIMIT)}


def _text_line(_logger: WrappedLogger, _method: str, event: EventDict) -> str:
    """Return one line: time, level, message, then the fields as name=value.

    A traceback follows in indented lines below its message. So no text of a tenant looks like a
    record of the operator.
    """
    time, level, message = event.pop("time"), event.pop("level"), event.pop("message")
    del event["logger"]
    trace = event.pop("exception", "")
    fields = " ".join(f"{name}={_printable(value)}" for name, value in event.items())
    line = f"{time} {level.upper():<7} {_printable(message)}"
    return "\n".join([f"{line}  [{fields}]" if fields else line, *_indented(trace)])


def _indented(trace: str) -> Iterator[str]:
    for line in trace.split("\n"):
        if line:
            yield f"    {_printable(line)}"


def _printable(text: str) -> str:
    """Return the text with unprintable characters escaped, as in Python's literals."""
    if text.isprintable():
        return text
    return _bounded("".join(c if c.isprintable() else _escaped(c) for c in text))


def _escaped(character: str) -> str:
    return character.encode("unicode_escape").decode()


def _bounded(text: str, limit: int = LIMIT) -> str:
    return text if len(text) <= limit else text[: limit - 1] + "…"
