"""Git repositories that programs clone over HTTP from this process, as from a forge."""

import os
import subprocess
import threading
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Self

AUTHOR = ("-c", "user.name=test", "-c", "user.email=test@example.org")
SERVICE = "git-upload-pack"
PREAMBLE = b"001e# service=git-upload-pack\n0000"
BRANCH = "main"


class Repository:
    """A repository with one branch; each commit replaces or removes whole files."""

    def __init__(self, folder: Path, url: str) -> None:
        self.folder = folder
        self.url = url
        folder.mkdir(parents=True)
        self._git("init", "--quiet", f"--initial-branch={BRANCH}")

    def commit(self, message: str, files: Mapping[str, str | None]) -> str:
        """Write the files, remove those that are None, and return the new commit's id."""
        for name, content in files.items():
            path = self.folder / name
            if content is None:
                path.unlink()
            else:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(content)
        self._git("add", "--all")
        self._git(*AUTHOR, "commit", "--quiet", f"--message={message}")
        return self._git("rev-parse", "HEAD").strip()

    def _git(self, *arguments: str) -> str:
        command = ["git", "-C", str(self.folder), *arguments]
        # Whoever runs this may have hooks, or sign commits.
        environment = {**os.environ, "GIT_CONFIG_GLOBAL": os.devnull}
        done = subprocess.run(command, check=True, capture_output=True, text=True, env=environment)
        return done.stdout


class GitServer:
    """Serves the repositories that it is asked to make, on a free port of 127.0.0.1."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        handler = type("Handler", (_Handler,), {"folder": folder})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._thread = threading.Thread(target=self._server.serve_forever)

    def repository(self, name: str) -> Repository:
        """Make an empty repository."""
        url = f"http://127.0.0.1:{self._server.server_port}/{name}"
        return Repository(self._folder / name, url)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


class _Handler(BaseHTTPRequestHandler):
    """The two requests of a clone over Git's smart HTTP protocol, version 0."""

    folder: Path

    def do_GET(self) -> None:
        refs = self._upload_pack("info/refs", "--http-backend-info-refs", b"")
        if refs is not None:
            self._answer("advertisement", PREAMBLE + refs)

    def do_POST(self) -> None:
        wanted = self.rfile.read(int(self.headers["Content-Length"]))
        pack = self._upload_pack(SERVICE, "--stateless-rpc", wanted)
        if pack is not None:
            self._answer("result", pack)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Say nothing: what a test shows is Flux' words."""

    def _upload_pack(self, request: str, how: str, wanted: bytes) -> bytes | None:
        name, _, rest = self.path.partition("?")[0].lstrip("/").partition("/")
        folder = self.folder / name
        if rest != request or not folder.is_dir():
            self.send_error(404)
            return None
        command = ["git", "upload-pack", how, str(folder)]
        return subprocess.run(command, input=wanted, check=True, capture_output=True).stdout

    def _answer(self, kind: str, content: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Type", f"application/x-{SERVICE}-{kind}")
        self.send_header("Cache-Control", "no-cache")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)
