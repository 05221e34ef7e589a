"""The store in which Debian's buildah keeps images, which is bounded."""

from pathlib import Path

from machine.locks import join_users


def test_a_store_is_emptied_by_who_is_alone_with_it(tmp_path: Path) -> None:
    """While another build is under way in it, nobody takes its layers away."""
    lock, emptied = tmp_path / "store.users", list[str]()
    first = join_users(lock, lambda: emptied.append("first"))
    second = join_users(lock, lambda: emptied.append("second"))
    first.close()
    join_users(lock, lambda: emptied.append("third")).close()
    second.close()
    join_users(lock, lambda: emptied.append("fourth")).close()
    assert emptied == ["first", "fourth"]
