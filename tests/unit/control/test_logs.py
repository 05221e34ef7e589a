"""Log records hold words of tenants and of foreign servers, and stay records."""

import json
import logging
import sys

import pytest
from structlog.contextvars import bound_contextvars

from quiver.control.observe.logs import log_formatter

FORGERY = "gone\n\x1b[A\r2024-05-01T12:00:00.000Z ERROR   the lease is lost"
FORMATTERS = [log_formatter("text"), log_formatter("json")]


def record(message: str, *args: object, error: Exception | None = None) -> logging.LogRecord:
    exc_info = (type(error), error, error.__traceback__) if error else None
    return logging.LogRecord("quiver.test", logging.WARNING, __file__, 1, message, args, exc_info)


def failure(words: str) -> Exception:
    try:
        raise ValueError(words)  # noqa: TRY301 - the traceback is what is wanted
    except ValueError as error:
        return error


def test_a_record_is_one_line_for_people() -> None:
    """Time, level and message come first, then the fields; letters stay as they are."""
    with bound_contextvars(about={"kind": "VectorCollection", "name": "docs"}):
        line = log_formatter("text").format(record("größe of %s: %d", "東京", 3))
    assert line.endswith(" WARNING größe of 東京: 3  [kind=VectorCollection name=docs]")


@pytest.mark.parametrize(
    ("words", "shown"),
    [
        ("a\nb\r\nc\td", r"a\nb\r\nc\td"),
        ("\x1b[31mred\x9b0m", r"\x1b[31mred\x9b0m"),
        ("a\u2028b\x85c\u202ed", r"a\u2028b\x85c\u202ed"),
        ("\ud800", r"\ud800"),
    ],
)
def test_what_does_not_print_is_escaped(words: str, shown: str) -> None:
    """Messages and fields show control characters as escapes, so that none acts on a terminal."""
    with bound_contextvars(about={"collection": words}):
        line = log_formatter("text").format(record("refused: %s", words))
    assert line.isprintable()
    assert f"refused: {shown}  [collection={shown}]" in line


@pytest.mark.parametrize("formatter", FORMATTERS)
def test_no_words_look_like_a_record(formatter: logging.Formatter) -> None:
    """A message, or a field, with a line in it that looks like a record makes no second one."""
    with bound_contextvars(about={"collection": FORGERY}):
        told = formatter.format(record("refused: %s", FORGERY))
    assert len(told.splitlines()) == 1


def test_a_traceback_stands_below_its_message() -> None:
    """A traceback keeps its lines, indented, whatever the error says."""
    told = log_formatter("text").format(record("this is a bug", error=failure(FORGERY)))
    first, *below = told.split("\n")
    assert first.endswith("this is a bug")
    assert below[0] == "    Traceback (most recent call last):"
    assert below[-2:] == [
        "    ValueError: gone",
        r"    \x1b[A\r2024-05-01T12:00:00.000Z ERROR   the lease is lost",
    ]
    assert all(line.startswith("    ") and line.isprintable() for line in below)


def test_a_traceback_is_a_field_in_json() -> None:
    """Log collectors get the traceback as text, and the record on one line."""
    told = log_formatter("json").format(record("this is a bug", error=failure(FORGERY)))
    assert len(told.splitlines()) == 1
    assert json.loads(told)["exception"].endswith(f"ValueError: {FORGERY}")


def test_json_holds_the_message_as_it_is() -> None:
    """Whoever parses a record gets every character back; the line itself is plain ASCII."""
    words = "größe\n\u2028\x9b\ud800"
    told = log_formatter("json").format(record("refused: %s", words))
    assert told.isascii()
    assert json.loads(told)["message"] == f"refused: {words}"


@pytest.mark.parametrize("words", ["a", "\n", "ab\n", "\U000e0001"])
def test_megabytes_are_cut_for_people(words: str) -> None:
    """Message, fields and traceback are bounded as they are shown, and say where they were cut."""
    words *= 2**22
    with bound_contextvars(about={"collection": words}):
        told = log_formatter("text").format(record("%s", words, error=failure(words)))
    line, _, below = told.partition("\n")
    assert line.count("…") == 2
    assert len(line) < 2 * 8192 + 100
    assert len(below) < 4 * 65536


@pytest.mark.parametrize("words", ["a", "\n", "\U000e0001"])
def test_megabytes_are_cut_in_json(words: str) -> None:
    """Message, fields and traceback are bounded, and say where they were cut."""
    words *= 2**22
    with bound_contextvars(about={"collection": words}):
        told = json.loads(log_formatter("json").format(record("%s", words, error=failure(words))))
    assert told["message"] == told["collection"] == words[:8191] + "…"
    assert len(told["exception"]) == 65536


@pytest.mark.parametrize("formatter", FORMATTERS)
def test_a_field_need_not_be_text(formatter: logging.Formatter) -> None:
    """An object that was stored under a looser CRD is logged like any other."""
    fields = {"collection": 7}
    with bound_contextvars(about=fields):
        assert "7" in formatter.format(record("look"))


def test_what_cannot_be_encoded_is_written_all_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    """A lone surrogate stops no handler."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(log_formatter("text"))
    handler.handle(record("a\udfffb"))
    assert r"a\udfffb" in capsys.readouterr().err
