"""Checks of certificates and keys in PEM, before they are used."""

from typing import Protocol


class InvalidPem(ValueError):
    """The text does not hold what it should.

    The message completes a sentence about the text, such as `holds no certificate in PEM`, and
    quotes nothing of it.
    """


class Pem(Protocol):
    def certificates_in(self, text: bytes) -> bytes:
        """Return the certificates, in their order, without anything else that the text may hold,
        such as a key.

        Raises: InvalidPem if there is no certificate, or one that cannot be read.
        """

    def require_pair(self, certificate: bytes, key: bytes) -> None:
        """Raises: InvalidPem unless the key belongs to the certificate and is not encrypted."""
