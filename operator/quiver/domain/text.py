"""Words of others, made fit for messages that people read."""


def one_line(text: str, limit: int = 200) -> str:
    """Return at most `limit` characters that show on one line, whatever the text holds.

    What does not print, and all white space, becomes single spaces; what is cut off leaves `…`.
    """
    if len(text) <= limit and text.isprintable():
        return " ".join(text.split())
    # Cut before cleaning too: somebody may send megabytes.
    rough = text[: 4 * limit]
    line = " ".join("".join(c if c.isprintable() else " " for c in rough).split())
    if len(line) <= limit and len(rough) == len(text):
        return line
    return line[: limit - 1].rstrip() + "…"
