"""Cut a load into chunks, the patrons of one request each."""

from collections.abc import Iterable


def numbers(sizes: Iterable[int], most_patrons: int, most_bytes: int) -> list[int]:
    """
    The chunk, from 1, of each patron whose JSON has the given size in bytes.

    A chunk ends before it would hold more than `most_patrons` or more than `most_bytes`, the comma between two patrons
    counted. A patron that is larger than `most_bytes` alone has a chunk of its own.
    """
    chunk, patrons, total = 1, 0, 0
    cut = []
    for size in sizes:
        if patrons and (patrons == most_patrons or total + 1 + size > most_bytes):
            chunk, patrons, total = chunk + 1, 0, 0
        total += size + (1 if patrons else 0)
        patrons += 1
        cut.append(chunk)
    return cut
