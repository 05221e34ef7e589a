"""Objects as YAML that is read alike by every parser, with remarks above them."""

import re
import textwrap
from collections.abc import Iterator, Sequence
from typing import Any

import yaml

from quiver.domain.imports import Document
from quiver.domain.text import one_line

WIDTH = 100
MOST_REMARKS = 40
REMARK = 1000
_PLAIN = re.compile(r"[A-Za-z][A-Za-z0-9_./-]*", re.ASCII)
_WORDS = frozenset({"y", "n", "yes", "no", "on", "off", "true", "false", "null", "nan", "inf"})
"""What some parsers take for something else than text."""


class _Dumper(yaml.SafeDumper):
    """Quotes what might be taken for something else than text: parsers differ in that."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:  # noqa: ARG002
        super().increase_indent(flow, indentless=False)


def _text(dumper: yaml.SafeDumper, value: str) -> yaml.ScalarNode:
    is_plain = _PLAIN.fullmatch(value) is not None and value.lower() not in _WORDS
    style = None if is_plain else '"'
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style=style)


_Dumper.add_representer(str, _text)


def as_yaml(documents: Sequence[Document], head: str = "") -> str:
    """Return the documents, each with its remarks as comments. `head` is a remark on the whole."""
    parts = ["\n".join(_comment(head)) + "\n"] if head else []
    parts += [_as_yaml(document) for document in documents]
    return "---\n".join(parts)


def _as_yaml(document: Document) -> str:
    remarks = document.remarks[:MOST_REMARKS]
    if len(document.remarks) > MOST_REMARKS:
        remarks = (*remarks, f"And {len(document.remarks) - MOST_REMARKS} remarks more.")
    comments = "".join(f"{line}\n" for remark in remarks for line in _comment(remark))
    return comments + _dumped(document.manifest)


def _dumped(manifest: Any) -> str:
    text: str = yaml.dump(manifest, Dumper=_Dumper, sort_keys=False, width=10**6)
    return text


def _comment(remark: str) -> Iterator[str]:
    """Yield lines of a comment: whatever a server has put into a remark, it stays one."""
    lines = textwrap.wrap(one_line(remark, REMARK), WIDTH - 2, break_on_hyphens=False)
    yield from (f"# {line}" for line in lines)
