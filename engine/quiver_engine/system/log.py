"""Logging to stderr, one line an event, as text or JSON: the format that the operator has, too."""

import logging
import sys
from typing import Literal

from structlog.processors import EventRenamer, JSONRenderer, TimeStamper, format_exc_info
from structlog.stdlib import ProcessorFormatter, add_log_level, add_logger_name
from structlog.typing import EventDict, WrappedLogger

Format = Literal["text", "json"]


def set_up(log_format: Format) -> None:
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(formatter(log_format))
    logging.basicConfig(level=logging.INFO, handlers=[handler])


def formatter(log_format: Format) -> logging.Formatter:
    return ProcessorFormatter(
        foreign_pre_chain=[TimeStamper(fmt="iso", key="time"), add_log_level, add_logger_name],
        processors=[
            ProcessorFormatter.remove_processors_meta,
            format_exc_info,
            EventRenamer("message"),
            JSONRenderer() if log_format == "json" else _line_for_people,
        ],
    )


def _line_for_people(_logger: WrappedLogger, _method: str, event: EventDict) -> str:
    line = f"{event['time']} {event['level'].upper():<7} {event['message']}"
    return f"{line}\n{event['exception']}" if "exception" in event else line
