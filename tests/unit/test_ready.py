"""`quiver ready` waits until an operator says that it is ready."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from click.testing import CliRunner

from quiver.cli import main


@pytest.fixture
def answers() -> list[int]:
    """The codes to answer with; the last one stays."""
    return [200]


@pytest.fixture
def url(answers: list[int], monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Where an operator is asked whether it is ready."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(answers.pop(0) if len(answers) > 1 else answers[0])
            self.end_headers()
            self.wfile.write(b"ok\n")

        def log_message(self, *_: object) -> None:
            pass

    monkeypatch.setattr("quiver.ready._PAUSE_S", 0)
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/readyz"
        server.shutdown()
        thread.join()


def test_it_asks_until_the_operator_is_ready(answers: list[int], url: str) -> None:
    """And prints what it says then."""
    answers[:] = [503, 503, 200]
    result = CliRunner().invoke(main, ["ready", url])
    assert (result.exit_code, result.output) == (0, "ok\n")


def test_it_gives_up_in_time(answers: list[int], url: str) -> None:
    """And says what the last answer was."""
    answers[:] = [503]
    result = CliRunner().invoke(main, ["ready", url, "--timeout=0"])
    assert result.exit_code == 1
    assert "does not say within 0 s that it is ready: HTTP Error 503" in result.output


def test_it_asks_over_http_alone() -> None:
    """A path of a file is none that an operator answers at."""
    result = CliRunner().invoke(main, ["ready", "file:///etc/passwd"])
    assert result.exit_code == 2
    assert "begin it with http://" in result.output
