"""Certificates and keys as PEM text, checked before they are used."""

import os
import re
import ssl

_CERTIFICATE = re.compile(rb"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL)


class InvalidPem(ValueError):
    """The text is not what it should be; the message says why and holds nothing of it."""


def certificates_in(text: bytes) -> bytes:
    """Return the certificates and nothing else that the text may hold, such as a key.

    Raises InvalidPem where there is none, or one that cannot be read.
    """
    found = b"".join(block + b"\n" for block in _CERTIFICATE.findall(text))
    if not found:
        raise InvalidPem("holds no certificate in PEM")
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cadata=found.decode("ascii"))
    except (ssl.SSLError, UnicodeDecodeError) as error:
        raise InvalidPem("holds a certificate that cannot be read") from error
    return found


def require_pair(certificate: bytes, key: bytes) -> None:
    """Raises InvalidPem where the key is not the certificate's, or is none."""
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

    # Python's ssl reads keys from files alone; this one is in memory and never on a disk.
    file = os.memfd_create("pair")
    try:
        os.write(file, certificate + b"\n" + key)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.load_cert_chain(f"/proc/self/fd/{file}", password=password)
    finally:
        os.close(file)
