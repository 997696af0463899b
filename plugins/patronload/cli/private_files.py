"""Write a file with patrons that only its owner can read."""

from pathlib import Path


def write(path: Path, content: bytes) -> None:
    """Write a file, and create its folder if it is missing, for this account only; an earlier file is replaced."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    path.unlink(missing_ok=True)  # one that others may read would stay so
    path.touch(mode=0o600)
    path.write_bytes(content)
