"""Encrypted files: whole, by one of the keys, or refused."""

import io

import pytest
from cryptography.fernet import Fernet
from hypothesis import given
from hypothesis import strategies as st

from patronload.artifacts import encryption
from patronload.artifacts.encryption import Cipher
from patronload.errors import ConfigError

KEY, OTHER = "bmV2ZXIgdXNlIHRoaXMga2V5LCBpdCBpcyBhIHRlc3Q=", "YW5kIG5ldmVyIHVzZSB0aGlzIG9uZSwgcGxlYXNlIDo="
PLACE = "northfield/manual__1/file.csv"


def cipher(keys: str = KEY) -> Cipher:
    return Cipher(keys, "the test")


def decrypted(content: bytes, keys: str = KEY) -> bytes:
    return cipher(keys).decrypt(io.BytesIO(content), "file.csv").getvalue()


@given(st.lists(st.binary(max_size=50), max_size=8), st.integers(1, 60))
def test_what_is_written_in_whatever_pieces_is_read(pieces: list[bytes], block: int):
    """Across the blocks' borders, and with nothing at all."""
    file = io.BytesIO()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(encryption, "BLOCK", block)
        with cipher().writing(file, PLACE) as into:
            for piece in pieces:
                assert into.write(piece) == len(piece)
    file.seek(0)
    assert encryption.is_encrypted(file)
    assert decrypted(file.getvalue()) == b"".join(pieces)


def test_the_same_content_never_looks_the_same():
    """Nobody sees that two exports are alike."""
    assert cipher().encrypt(b"Abernathy", PLACE) != cipher().encrypt(b"Abernathy", PLACE)


@pytest.mark.parametrize("between", [" ", ",", ", ", "\n", "\r\n"])
def test_the_keys_may_stand_on_lines_or_behind_each_other(between: str):
    """The form in Airflow has one line for a password, a secrets backend may have several."""
    assert decrypted(cipher(OTHER).encrypt(b"x", PLACE), f" {KEY}{between}{OTHER}\n") == b"x"
    assert decrypted(cipher(f"{KEY}{between}{OTHER}").encrypt(b"x", PLACE), KEY) == b"x"


def test_a_file_in_which_anything_was_changed_is_refused(monkeypatch: pytest.MonkeyPatch):
    """Cut short, also between two blocks; a block of another file, out of its place, twice, or left out; one more."""
    monkeypatch.setattr(encryption, "BLOCK", 4)
    whole, other = cipher().encrypt(b"12345678end", PLACE), cipher().encrypt(b"abcdefghend", PLACE)
    start, size = len(encryption.MAGIC), (len(whole) - len(encryption.MAGIC)) // 3
    first, second, third = (whole[start + size * number :][:size] for number in range(3))
    strange = other[start + size :][:size]
    assert decrypted(encryption.MAGIC + first + second + third) == b"12345678end"
    for blocks in (
        [], [first], [first, second], [first, second, third[:-1]], [first, third], [second, third], [third],
        [first, first, second, third], [second, first, third], [first, strange, third], [first, second, third, b"x"],
        [first[:2]],
    ):  # fmt: skip
        with pytest.raises(ConfigError, match=r"file\.csv is encrypted and not complete"):
            decrypted(encryption.MAGIC + b"".join(blocks))
    for place in (start + 10, start + size + 50, len(whole) - 5):
        changed = bytearray(whole)
        changed[place] ^= 1
        with pytest.raises(ConfigError, match="or it was changed"):
            decrypted(bytes(changed))


def test_a_large_file_does_not_take_its_size_in_memory(tmp_path):
    """An export of any size is encrypted block by block."""
    with (tmp_path / "file").open("wb") as file, cipher().writing(file, PLACE) as into:
        for _ in range(12):
            into.write(bytes(1 << 20))
            assert len(into.content) < encryption.BLOCK
    assert decrypted((tmp_path / "file").read_bytes()) == bytes(12 << 20)


def test_a_file_is_read_only_where_it_belongs(monkeypatch: pytest.MonkeyPatch):
    """Nobody can put another run's plan, or another library's, in the place of this one."""
    monkeypatch.setattr(encryption, "BLOCK", 4)
    content = cipher().encrypt(b"12345678end", PLACE)
    file = io.BytesIO(content)
    assert encryption.is_bound(file)
    assert cipher().decrypt(file, "file.csv", PLACE).read() == b"12345678end"
    assert cipher().decrypt(file, "file.csv").read() == b"12345678end"
    for other in ("northfield/manual__2/file.csv", "stclare/manual__1/file.csv", "northfield/manual__1/plan.json"):
        with pytest.raises(ConfigError, match="belongs to another tenant, run or file name"):
            cipher().decrypt(file, "file.csv", other)


def test_what_an_earlier_version_encrypted_can_be_decrypted():
    """It is not bound to a place; whether it is accepted is for Run to say."""
    head = encryption.HEAD_UNBOUND.pack(bytes(16), 0, True)
    token = Fernet(KEY).encrypt(head + b"Abernathy")
    file = io.BytesIO(encryption.UNBOUND + len(token).to_bytes(4, "big") + token)
    assert (encryption.is_encrypted(file), encryption.is_bound(file)) == (True, False)
    assert cipher().decrypt(file, "file.csv", PLACE).read() == b"Abernathy"
