"""Certificates and keys in PEM, checked by OpenSSL."""

import os
import re
import ssl

from quiver.ports.pem import InvalidPem

_CERTIFICATE = re.compile(rb"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL)


class OpenSslPem:
    """Implements `quiver.ports.pem.Pem`."""

    def certificates_in(self, text: bytes) -> bytes:
        found = b"".join(block + b"\n" for block in _CERTIFICATE.findall(text))
        if not found:
            raise InvalidPem("holds no certificate in PEM")
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        try:
            context.load_verify_locations(cadata=found.decode("ascii"))
        except (ssl.SSLError, UnicodeDecodeError) as error:
            raise InvalidPem("holds a certificate that cannot be read") from error
        return found

    def require_pair(self, certificate: bytes, key: bytes) -> None:
        try:
            _load_pair(certificate, key)
        except ssl.SSLError as error:
            if error.reason == "KEY_VALUES_MISMATCH":
                raise InvalidPem("holds a key that is not the certificate's") from error
            why = error.reason or "no private key in PEM"
            raise InvalidPem(f"holds a certificate and key that cannot be used ({why})") from error


def _load_pair(certificate: bytes, key: bytes) -> None:
    def password() -> str:
        raise InvalidPem("holds a key that is encrypted; give one without a password")

    # Python's ssl reads keys only from files. This one is in memory and never on a disk.
    file = os.memfd_create("pair")
    try:
        os.write(file, certificate + b"\n" + key)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.load_cert_chain(f"/proc/self/fd/{file}", password=password)
    finally:
        os.close(file)
