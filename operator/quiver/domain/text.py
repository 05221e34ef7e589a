"""Makes text from servers and tenants fit to be quoted in messages."""


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
