"""Chunks: no patron lost, none twice, none too large a request."""

from itertools import groupby

from hypothesis import given
from hypothesis import strategies as st

from patronload.loads.posting import chunks


@given(
    sizes=st.lists(st.integers(min_value=1, max_value=500), max_size=60),
    patrons=st.integers(min_value=1, max_value=10),
    most=st.integers(min_value=50, max_value=1200),
)
def test_chunks_hold_to_both_limits_and_to_the_order(sizes, patrons, most):
    """Every patron is in one chunk, in order; a chunk is within both limits, but for a patron larger than one."""
    numbers = chunks.numbers(sizes, patrons, most)
    assert len(numbers) == len(sizes)
    assert numbers == sorted(numbers)
    for _, chunk in groupby(zip(numbers, sizes, strict=True), key=lambda pair: pair[0]):
        held = [size for _, size in chunk]
        assert len(held) <= patrons
        assert len(held) == 1 or sum(held) + len(held) - 1 <= most
    assert sorted(set(numbers)) == list(range(1, len(set(numbers)) + 1))


def test_a_chunk_is_filled_before_the_next_is_begun():
    """Fewer requests than needed would be too large; more would be slow."""
    assert chunks.numbers([10, 10, 10, 10, 10], 2, 1000) == [1, 1, 2, 2, 3]
    assert chunks.numbers([10, 10, 10], 9, 21) == [1, 1, 2]
