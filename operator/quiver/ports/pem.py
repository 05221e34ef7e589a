"""Certificates and keys in PEM, which are checked before they are used."""

from typing import Protocol


class InvalidPem(ValueError):
    """The text is not what it should be.

    The message ends a sentence about it, such as `holds no certificate in PEM`, and quotes nothing
    of the text.
    """


class Pem(Protocol):
    def certificates_in(self, text: bytes) -> bytes:
        """Return the certificates, in their order, without anything else that the text may hold,
        such as a key.

        Raises: InvalidPem if there is none, or one that cannot be read.
        """

    def require_pair(self, certificate: bytes, key: bytes) -> None:
        """Raises: InvalidPem unless the key is the certificate's, and not encrypted."""
