"""Makes text from servers and tenants fit to be quoted in messages."""

from collections.abc import Iterable


def few(phrases: Iterable[str], limit: int) -> str:
    """Return the phrases on one line, with commas, as far as `limit` characters go: the first in
    any case, if cut, and then the number of the others that are left out.
    """
    told, length, left = list[str](), 0, 0
    for phrase in phrases:
        line = "" if left else one_line(phrase, limit)
        length += len(line) + 2
        if left or (told and length > limit):
            left += 1
        else:
            told.append(line)
    return ", ".join([*told, *([f"and {left} more"] if left else [])])


def one_line(text: str, limit: int = 200) -> str:
    """Return at most `limit` characters that show on one line, whatever the text holds.

    White space and unprintable characters become single spaces. A text that is cut ends in `…`.
    """
    if len(text) <= limit and text.isprintable():
        return " ".join(text.split())
    # Cut before cleaning too: a server may send megabytes.
    rough = text[: 4 * limit]
    line = " ".join("".join(c if c.isprintable() else " " for c in rough).split())
    if len(line) <= limit and len(rough) == len(text):
        return line
    return line[: limit - 1].rstrip() + "…"
