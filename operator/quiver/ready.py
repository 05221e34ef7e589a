"""The command `quiver ready`, which `helm test` runs."""

import time
import urllib.request

import click

_PAUSE_S = 1.0
_LONGEST_ANSWER = 1000


@click.command(short_help="Wait until an operator says that it is ready.")
@click.argument("url")
@click.option(
    "--timeout", type=click.FloatRange(min=0), default=60, show_default=True, help="Seconds."
)
def ready(url: str, timeout: float) -> None:
    """Ask URL until it answers with 200, such as http://quiver-metrics.quiver-system.svc:8080/readyz.

    Prints the answer. Fails if there is none in time.
    """
    last = time.monotonic() + timeout
    while True:
        try:
            click.echo(_answer(url))
        except OSError as error:
            if time.monotonic() > last:
                message = f"{url} does not say within {timeout:g} s that it is ready: {error}"
                raise click.ClickException(message) from error
        else:
            return
        time.sleep(_PAUSE_S)


def _answer(url: str) -> str:
    if not url.startswith("http://"):
        raise click.BadParameter("an operator serves plain HTTP; begin it with http://")
    with urllib.request.urlopen(url, timeout=5) as answer:  # noqa: S310 - http alone, see above
        text: bytes = answer.read(_LONGEST_ANSWER)
    return text.decode(errors="replace").strip()
