"""Documents of YAML: whatever is in them, they are read as they were written."""

from typing import Any

import pytest
import yaml

from quiver.commands.documents import as_yaml
from quiver.domain.imports import Document

HOSTILE = (
    "x\n---\nkind: Secret",
    "x\r# y\r\nkind: Secret",
    "\u2028kind: Secret\u2029\x85---",
    "\x1b[2J\x00\x07",
    "'\"\\: {}[]&*!|>%@`",
    "\udc80",
)
AMBIGUOUS = ("1e3", "0x10", "1_000", "y", "N", "on", "null", "~", "", " ", "1:30", "2024-01-01")
AMBIGUOUS += (".inf", "=", "<<", "0o7", "-", "?", "12", "1.5", "_1")


def read(text: str) -> list[Any]:
    return list(yaml.safe_load_all(text))


@pytest.mark.parametrize("text", [*HOSTILE[:-1], *AMBIGUOUS])
def test_texts_are_read_as_they_were_written(text: str) -> None:
    manifest = {"spec": {"properties": {f"k{text}": text}}}
    assert read(as_yaml([Document(manifest=manifest)])) == [manifest]


@pytest.mark.parametrize("text", [text for text in AMBIGUOUS if text])
def test_what_parsers_differ_in_is_quoted(text: str) -> None:
    """As a key too: kubectl's parser and this one know different words."""
    told = as_yaml([Document(manifest={text: text})])
    assert told == f'"{text}": "{text}"\n'


@pytest.mark.parametrize("text", HOSTILE)
def test_remarks_stay_comments(text: str) -> None:
    manifest = {"kind": "VectorCollection"}
    told = as_yaml([Document(manifest=manifest, remarks=(text * 50, text))], head=text)
    assert read(told) == [manifest]
    lines = [line for line in told.split("\n") if line and not line.startswith("# ")]
    assert set(lines) <= {"---", "kind: VectorCollection"}
    assert all(len(line) <= 100 for line in told.splitlines())
    assert all(line.isprintable() for line in told.split("\n"))


def test_documents_are_apart() -> None:
    documents = [Document(manifest={"a": n}, remarks=(f"remark {n}",)) for n in range(3)]
    assert as_yaml(documents).splitlines() == [
        *("# remark 0", "a: 0", "---", "# remark 1", "a: 1", "---", "# remark 2", "a: 2"),
    ]


def test_not_all_remarks_of_many_are_shown() -> None:
    told = as_yaml([Document(manifest={}, remarks=("r",) * 1000)])
    assert told.splitlines()[-2] == "# And 960 remarks more."
