"""TLS for clients: certificate and key come from files, and are read again when those change."""

import logging
import ssl
import threading
from dataclasses import dataclass
from pathlib import Path

import grpc

from quiver_engine.errors import StartError

logger = logging.getLogger(__name__)

_ATTEMPTS = 5
_Stamp = tuple[tuple[int, ...], ...]


@dataclass(frozen=True)
class Files:
    """PEM files: the server's certificate with its chain, its key, and a CA for clients.

    With `client_ca`, clients must show a certificate of that CA.
    """

    certificate: Path
    key: Path
    client_ca: Path | None = None

    @property
    def paths(self) -> tuple[Path, ...]:
        together = self.certificate, self.key, self.client_ca
        return tuple(path for path in together if path is not None)


class _Unusable(Exception):
    """The files are of no use for TLS; the text names the file and what is wrong with it."""


def files_of(certificate: Path | None, key: Path | None, client_ca: Path | None) -> Files | None:
    """Return the files that the options name, None where they name none.

    Raises StartError when an option is missing that another one needs.
    """
    if certificate is not None and key is not None:
        return Files(certificate, key, client_ca)
    if certificate is None and key is None and client_ca is None:
        return None
    given = {"--tls-cert": certificate, "--tls-key": key}
    missing = " and ".join(option for option, path in given.items() if path is None)
    raise StartError(
        f"TLS needs {missing} as well: a certificate, its key and, if clients are to show"
        " certificates, --tls-client-ca go together; leave all three out to serve without TLS"
    )


def credentials(files: Files) -> grpc.ServerCredentials:
    """Return credentials for a gRPC server; each handshake checks whether the files have changed.

    Raises StartError when the files are of no use now.
    """
    try:
        certificates = _Certificates(files)
    except _Unusable as error:
        raise StartError(
            f"cannot serve TLS: {error}; correct the files, or what --tls-cert, --tls-key and"
            " --tls-client-ca name"
        ) from error
    # The stubs do not know that None means "unchanged".
    return grpc.dynamic_ssl_server_credentials(
        certificates.first,
        certificates.renewed,  # type: ignore[arg-type]
        files.client_ca is not None,
    )


class _Certificates:
    def __init__(self, files: Files) -> None:
        self._files = files
        self._lock = threading.Lock()
        self._seen, self.first = _read_together(files)

    def renewed(self) -> grpc.ServerCertificateConfiguration | None:
        """Return what the files hold if it is new and usable; None keeps what was there before."""
        with self._lock:
            if _stamp(self._files) == self._seen:
                return None
            try:
                self._seen, configuration = _read_together(self._files)
            except _Unusable as error:
                # Logged once; the files are read again after their next change.
                self._seen = _stamp(self._files)
                logger.error("%s; serving with the certificate from before", error)  # noqa: TRY400
                return None
            logger.info("certificate %s has changed and is in use", self._files.certificate)
            return configuration


def _stamp(files: Files) -> _Stamp:
    return tuple(_stamp_of(path) for path in files.paths)


def _stamp_of(path: Path) -> tuple[int, ...]:
    """Return what changes when a file is replaced or written to; follows links."""
    try:
        found = path.stat()
    except OSError as error:
        return (error.errno or 0,)
    return found.st_dev, found.st_ino, found.st_mtime_ns, found.st_size


def _read_together(files: Files) -> tuple[_Stamp, grpc.ServerCertificateConfiguration]:
    """Read all files as of one moment.

    Kubernetes replaces the files of a Secret all at once, by a symbolic link. An old certificate
    and a new key would be no pair.
    """
    for _ in range(_ATTEMPTS):
        before = _stamp(files)
        outcome: grpc.ServerCertificateConfiguration | _Unusable
        try:
            outcome = _read(files)
        except _Unusable as error:
            outcome = error
        if _stamp(files) != before:
            continue
        if isinstance(outcome, _Unusable):
            raise outcome
        return before, outcome
    raise _Unusable(f"{files.certificate} and {files.key} change while they are read")


def _read(files: Files) -> grpc.ServerCertificateConfiguration:
    chain, key = _content(files.certificate), _content(files.key)
    client_ca = None if files.client_ca is None else _content(files.client_ca)
    for path in files.paths:
        if path != files.key:
            _require_certificates(path)
    _require_pair(files)
    return grpc.ssl_server_certificate_configuration([(key, chain)], client_ca)


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise _Unusable(f"{path} cannot be read: {error.strerror}") from error


def _require_certificates(path: Path) -> None:
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_verify_locations(path)
    except (ssl.SSLError, OSError) as error:
        raise _Unusable(f"{path} holds no certificate in PEM") from error


def _require_pair(files: Files) -> None:
    def password() -> str:
        raise _Unusable(f"key {files.key} is encrypted; give one without a password")

    try:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(files.certificate, files.key, password)
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            raise _Unusable(
                f"key {files.key} is not that of certificate {files.certificate}"
            ) from error
        told = f"certificate {files.certificate} with key {files.key} cannot be used"
        raise _Unusable(f"{told} ({error.reason or 'the key is no private key in PEM'})") from error
    except OSError as error:
        raise _Unusable(f"{files.key} cannot be read: {error.strerror}") from error
