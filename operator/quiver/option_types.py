"""Types of the command line's options: how their texts are parsed, and what is said of bad ones."""

import re
from contextlib import suppress
from ipaddress import ip_network

import click

from quiver.domain.addresses import Network


class Address(click.ParamType[tuple[str, int]]):
    """HOST:PORT."""

    name = "HOST:PORT"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, int]:
        host, _, port = str(value).rpartition(":")
        if not host or not port.isdigit() or int(port) > 65535:
            self.fail(f"{value!r} is not an address such as 127.0.0.1:8080", param, ctx)
        return host.strip("[]"), int(port)


class NamespaceName(click.ParamType[str]):
    """The name of a namespace."""

    name = "NAMESPACE"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> str:
        if not re.fullmatch(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?", str(value)):
            allowed = "up to 63 lowercase letters, digits and '-', with no '-' at either end"
            self.fail(f"{value!r} is not the name of a namespace: {allowed}", param, ctx)
        return str(value)


class Cidr(click.ParamType[Network]):
    """ADDRESS/BITS."""

    name = "CIDR"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> Network:
        network = _network(str(value))
        if network is None:
            example = "10.0.0.0/8 or fd00::/8, or 10.0.0.7/32 for one address"
            self.fail(f"{value!r} is not a network such as {example}", param, ctx)
        return network


class Labels(click.ParamType[dict[str, str]]):
    """KEY=VALUE,KEY=VALUE."""

    name = "KEY=VALUE,…"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> dict[str, str]:
        pairs = [pair.partition("=") for pair in str(value).split(",") if pair]
        if not all(key and separator for key, separator, _ in pairs):
            example = "app.kubernetes.io/name=quiver,app.kubernetes.io/instance=quiver"
            self.fail(f"{value!r} is not a list of labels such as {example}", param, ctx)
        return {key: found for key, _, found in pairs}


def _network(cidr: str) -> Network | None:
    # An address without a length may stand for its network, and a network has no zone.
    if "/" in cidr and "%" not in cidr:
        with suppress(ValueError):
            return ip_network(cidr)
    return None
