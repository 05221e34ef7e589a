"""What others say, as messages show it."""

import time

import pytest

from quiver.domain.text import one_line


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("index is built", "index is built"),
        ("größe: 3 µs, schön 東京 🚀", "größe: 3 µs, schön 東京 🚀"),
        ("  two\n\n\tlines \r\n", "two lines"),
        ("\x1b[31mred\x1b[0m\x07", "[31mred [0m"),
        ("\u202eabc\u2066 d\u200be\ufeff", "abc d e"),
        ("a\u2028b\u2029c\x85d\x0be", "a b c d e"),
        ("\ud800lone\udfff", "lone"),
        ("\0 \x9b \x7f", ""),
        ("", ""),
    ],
)
def test_a_text_becomes_one_line(text: str, line: str) -> None:
    """Printable characters stay; all others, and all white space, become single spaces."""
    assert one_line(text) == line


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("a" * 10, "a" * 10),
        ("a" * 11, "a" * 9 + "…"),
        ("aaaaaaaa bbbb", "aaaaaaaa…"),
        ("a" + " " * 100 + "b", "a…"),
    ],
)
def test_a_long_text_is_cut(text: str, line: str) -> None:
    """No line is longer than the limit, and one that was cut says so."""
    assert one_line(text, 10) == line


@pytest.mark.parametrize("character", ["a", "\n", "\x1b", "é"])
def test_megabytes_cost_nothing(character: str) -> None:
    """A text of 16 MiB is cut before it is looked at."""
    text = character * 2**24
    started = time.process_time()
    line = one_line(text)
    assert time.process_time() - started < 0.01
    assert len(line) <= 200
    assert line.isprintable()
