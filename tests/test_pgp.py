"""PGP: what was encrypted for us is read, and nothing else passes for it."""

import os
import shutil
import subprocess
import sys

import pytest
from pysequoia import Tsk, encrypt

from patronload.config.source import Most
from patronload.errors import ConfigError, SourceError
from patronload.exports import pgp

EXPORT = "ID,SURNAME\n1,Núñez\n".encode()


@pytest.fixture(scope="module")
def key():
    return Tsk.generate("Loader <loader@college.example>")


def ours(key, password=""):
    return pgp.Key(str(key), password, "the Airflow connection 'college_pgp'", "as private_key in extra")


@pytest.mark.parametrize("armor", [True, False])
def test_what_was_encrypted_for_us_is_read(key, armor):
    """In armor and without."""
    message = encrypt(EXPORT, recipients=[key.extract_certificate()], armor=armor)
    assert pgp.is_encrypted(message)
    assert not pgp.is_encrypted(EXPORT)
    assert pgp.decrypt(message, ours(key)) == EXPORT


def test_what_is_for_others_or_was_cut_short_is_refused(key):
    """Without a word of the key or the message."""
    other = Tsk.generate("Somebody <somebody@college.example>")
    message = encrypt(EXPORT, recipients=[other.extract_certificate()], armor=False)
    mine = encrypt(EXPORT, recipients=[key.extract_certificate()], armor=False)
    for wrong in (message, mine[:-9], EXPORT):
        with pytest.raises(SourceError, match="cannot be decrypted with the PGP key of the Airflow connection"):
            pgp.decrypt(wrong, ours(key))


def test_a_key_that_is_none_is_a_mistake_of_the_connection():
    """The message says what belongs where, and shows nothing of what is there."""
    with pytest.raises(ConfigError, match="private_key in extra") as told:
        pgp.decrypt(b"x", ours("s3cret nonsense"))
    assert "s3cret" not in str(told.value)
    assert "s3cret" not in repr(ours("s3cret", "s3cret"))


def test_a_message_that_decrypts_to_too_much_is_cut_off(key):
    """The library hands on all of it at once; a message of 2 MB may decrypt to 2 GB."""
    message = encrypt(b"0" * 3_000_000, recipients=[key.extract_certificate()], armor=False)
    assert len(pgp.decrypt(message, ours(key))) == 3_000_000
    with pytest.raises(SourceError, match=r"raise source\.most\.bytes"):
        pgp.decrypt(message, ours(key), Most(bytes=2_999_999))


@pytest.mark.skipif(not shutil.which("gpg"), reason="there is no gpg, whose messages are compressed")
def test_a_small_message_cannot_fill_the_memory(key, tmp_path, project):
    """A message of 0.4 MB decrypts to 300 MB: it is refused, and neither process takes 500 MB."""
    gpg = ["gpg", "--homedir", str(tmp_path), "--quiet", "--batch", "--no-autostart"]
    (tmp_path / "key").write_text(str(key))
    subprocess.run([*gpg, "--import"], input=str(key.extract_certificate()), text=True, check=True, capture_output=True)
    packed = [*gpg, "--trust-model", "always", "--compress-algo", "zlib", "--recipient", "loader@college.example"]
    done = subprocess.run([*packed, "--encrypt"], input=b"0" * 300_000_000, check=True, capture_output=True)
    (tmp_path / "message").write_bytes(done.stdout)
    program = (
        "import re, resource, sys\n"
        "from patronload.errors import SourceError\n"
        "from patronload.exports import pgp\n"
        "key = pgp.Key(open(sys.argv[1]).read(), '', '', '')\n"
        "try:\n"
        "    pgp.decrypt(open(sys.argv[2], 'rb').read(), key)\n"
        "except SourceError:\n"
        "    # Unlike ru_maxrss, VmHWM does not begin with what the program that started this one took.\n"
        "    print(re.search(r'VmHWM:\\s+(\\d+)', open('/proc/self/status').read())[1])\n"
        "    print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)\n"
    )
    command = [sys.executable, "-c", program, str(tmp_path / "key"), str(tmp_path / "message")]
    environment = os.environ | {"PYTHONPATH": str(project / "plugins")}
    done = subprocess.run(command, capture_output=True, env=environment, check=True)
    ours_and_theirs = [int(peak) for peak in done.stdout.split()]
    assert len(ours_and_theirs) == 2
    assert sum(ours_and_theirs) < 500_000
