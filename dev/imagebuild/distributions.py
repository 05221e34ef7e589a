"""Which installed distributions a project needs."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from importlib.metadata import Distribution, PackageNotFoundError, distribution

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from machine.errors import BuildError


def dependencies(project: str, extras: frozenset[str]) -> list[Distribution]:
    """The closure of a project's requirements with these extras, without the project itself.

    Raises BuildError when one of them is not installed.
    """
    found: dict[str, Distribution] = {}
    seen: set[tuple[str, frozenset[str]]] = set()
    pending = [(project, extras)]
    while pending:
        name, wanted = pending.pop()
        if (name, wanted) in seen:
            continue
        seen.add((name, wanted))
        found[name] = _installed(name, project)
        pending.extend(_requirements(found[name], wanted))
    found.pop(canonicalize_name(project))
    return [found[name] for name in sorted(found)]


def _installed(name: str, project: str) -> Distribution:
    try:
        return distribution(name)
    except PackageNotFoundError as error:
        raise BuildError(
            f"the image of {project} needs {name}, which is not installed in this Python "
            "environment. Remedy: install the project with all its extras (`make setup`)."
        ) from error


def _requirements(
    owner: Distribution, extras: frozenset[str]
) -> Iterator[tuple[str, frozenset[str]]]:
    for text in owner.requires or []:
        requirement = Requirement(text)
        environments = [{"extra": extra} for extra in extras or {""}]
        marker = requirement.marker
        if marker is None or any(marker.evaluate(environment) for environment in environments):
            yield canonicalize_name(requirement.name), frozenset(requirement.extras)


def fingerprint(owner: Distribution) -> str:
    """Changes whenever the distribution's files do: a digest of its RECORD, which has theirs."""
    record = owner.read_text("RECORD") or ""
    return hashlib.sha256(f"{owner.name} {owner.version}\n{record}".encode()).hexdigest()
