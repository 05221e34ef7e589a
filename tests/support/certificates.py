"""Certificates of two authorities, and the folder in which an engine finds its own."""

from pathlib import Path

from localcluster.certificates import Authority, KeyPair

OURS = Authority(Authority.create("ours"))
OTHER = Authority(Authority.create("another"))


def server_pair(authority: Authority = OURS) -> KeyPair:
    """Return a certificate for an engine on a loopback address, and its key."""
    return authority.server("engine", ["localhost"], ["127.0.0.1"])


class SecretFolder:
    """A folder like a mounted Secret: its files are exchanged all at once, by a symbolic link."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._number = 0

    def publish(self, certificate: bytes, key: bytes, ca: bytes = OURS.pem) -> None:
        self._number += 1
        version = self.folder / f"..{self._number}"
        version.mkdir(parents=True)
        contents = {"tls.crt": certificate, "tls.key": key, "ca.crt": ca}
        for name, content in contents.items():
            (version / name).write_bytes(content)
            if not (self.folder / name).is_symlink():
                (self.folder / name).symlink_to(Path("..data") / name)
        (self.folder / "..new").symlink_to(version.name)
        (self.folder / "..new").replace(self.folder / "..data")

    @property
    def options(self) -> list[str]:
        """The engine's options for TLS."""
        return [f"--tls-cert={self.folder}/tls.crt", f"--tls-key={self.folder}/tls.key"]

    @property
    def mutual_options(self) -> list[str]:
        """The engine's options for TLS with clients that show certificates."""
        return [*self.options, f"--tls-client-ca={self.folder}/ca.crt"]
