"""Takes what looks like a secret out of what is handed to others.

What is taken out of the one place is taken out wherever else it is met, such as in a log.
"""

import re
from typing import Any

from quiver.domain.kubernetes_types import Manifest

REDACTED = "REDACTED"
_SECRET = re.compile(
    r"passw|passphrase|pwd|secret|token|credential|api[-_.]?key|access[-_.]?key|private[-_.]?key"
    r"|authorization|dsn|connection[-_.]?string|(^|[-_.])(auth|pass)($|[-_.])|[-_.]key$",
    re.IGNORECASE,
)
_REFERENCE = re.compile(
    r"(names?|namespaces?|ref|path|seconds|type|policy|file|role|notfound|invalid|forbidden)$",
    re.IGNORECASE,
)
_LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
_IN_URL = re.compile(r"(\w://)[^/\s:@\"']{0,64}:[^/\s@\"']{1,256}@")
_BEARER = re.compile(r"\b(bearer|basic)\s+[A-Za-z0-9._~+/=-]{8,}", re.IGNORECASE)
_ASSIGNED = re.compile(
    r"((?:passw(?:or)?d|passphrase|pwd|secret|token|api[-_]?key)[\w.-]{0,64})"
    r"([\"']?[ \t]*[=:][ \t]*[\"']?)([^\s\"',;&]{1,4096})",
    re.IGNORECASE,
)
_NO_SECRET = re.compile(r"true|false|null|none|[|>][-+]?|\d{1,5}|[\[{].*", re.IGNORECASE)
_SHORTEST = 6
"""Characters of a value that is looked for elsewhere: a shorter one is in many a word."""
_MOST_VALUES = 2000


def looks_secret(name: str) -> bool:
    """Tell whether a variable or field of this name holds a secret, and not a reference to one."""
    return _SECRET.search(name) is not None and _REFERENCE.search(name) is None


class Redaction:
    """Takes secrets out of objects first, and then what it has met there out of texts."""

    def __init__(self) -> None:
        self.count = 0
        self._values: set[str] = set()

    def object(self, manifest: Manifest) -> Manifest:
        """Return the object without the values of variables, arguments and fields that look like
        secrets, without what kubectl applied last, and without who manages which field. References
        to Secrets stay.
        """
        metadata = dict(manifest.get("metadata") or {})
        annotations = dict(metadata.pop("annotations", None) or {})
        metadata.pop("managedFields", None)
        annotations.pop(_LAST_APPLIED, None)
        if annotations:
            metadata["annotations"] = annotations
        whole: Manifest = self._part({**manifest, "metadata": metadata})
        return whole

    def text(self, text: str) -> str:
        """Return a text, such as a log, without what looks like a secret in it."""
        for value in sorted(self._values, key=len, reverse=True):
            if value in text:
                self.count += text.count(value)
                text = text.replace(value, REDACTED)
        text, in_urls = _IN_URL.subn(rf"\1{REDACTED}@", text)
        text, bearers = _BEARER.subn(rf"\1 {REDACTED}", text)
        self.count += in_urls + bearers
        return _ASSIGNED.sub(self._without_value, text)

    def _without_value(self, found: re.Match[str]) -> str:
        name, between, value = found.groups()
        if not looks_secret(name) or _NO_SECRET.fullmatch(value) or value == REDACTED:
            return found[0]
        self.count += 1
        return f"{name}{between}{REDACTED}"

    def _part(self, part: Any) -> Any:
        if isinstance(part, dict):
            if isinstance(part.get("name"), str) and isinstance(part.get("value"), str):
                return {**part, "value": self._value(part["name"], part["value"])}
            return {key: self._field(key, value) for key, value in part.items()}
        if isinstance(part, list):
            return self._list(part)
        return part

    def _field(self, key: str, value: Any) -> Any:
        return self._value(key, value) if isinstance(value, str) else self._part(value)

    def _list(self, items: list[Any]) -> list[Any]:
        """Redact items. Arguments of a program may follow their option: `--password`, `x`."""
        found, option = list[Any](), ""
        for item in items:
            if not isinstance(item, str):
                found.append(self._part(item))
                continue
            name, separator, value = item.partition("=")
            if option and not item.startswith("-"):
                found.append(self._value(option, item))
            elif separator and len(name) <= 256:
                found.append(f"{name}={self._value(name, value)}")
            else:
                found.append(item)
            option = item if item.startswith("-") and not separator else ""
        return found

    def _value(self, name: str, value: str) -> str:
        if not value or not looks_secret(name) or value == REDACTED:
            return value
        self.count += 1
        if len(value) >= _SHORTEST and len(self._values) < _MOST_VALUES:
            self._values.add(value)
        return REDACTED
