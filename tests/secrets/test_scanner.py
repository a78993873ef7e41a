# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The scanner finds what is planted, wherever and however it is spelled: else its silence would prove nothing."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.unit.keytab_support import keytab, record

from .files import scan, scan_texts
from .processes import Sampler
from .rehearsal import keytab_keys, raw_key
from .spellings import PIECE, Finder, Secret, spellings

KEY = bytes(range(200, 232))
PASSWORD = b"correct horse/battery+staple"
FINDER = Finder([Secret("the key", KEY), Secret("the password", PASSWORD)])

PLANTED = {
    "raw": KEY,
    "inside a binary file": os.urandom(999) + KEY + os.urandom(5),
    "hex": KEY.hex().encode(),
    "HEX": KEY.hex().upper().encode(),
    "hexdump": "\n".join(KEY[i : i + 16].hex(" ") for i in (0, 16)).encode(),
    "hexdump of words": "\n".join(KEY[i : i + 16].hex(" ", 2) for i in (0, 16)).encode(),
    "with colons": KEY.hex(":").encode(),
    "repr": repr(KEY).encode(),
    "base64": base64.b64encode(KEY),
    "base64 behind one byte": base64.b64encode(b"x" + KEY),
    "base64 behind two bytes": base64.b64encode(b"xy" + KEY + b"more"),
    "base64 for URLs": base64.urlsafe_b64encode(b"xyz" + KEY),
    "a password in JSON": json.dumps({"password": PASSWORD.decode()}).encode(),
    "a password in base64": base64.b64encode(b"user:" + PASSWORD),
    "a password in UTF-16": PASSWORD.decode().encode("utf-16-le"),
    "a password in a URL": b"https://host/?p=correct%20horse/battery%2Bstaple",
}


@pytest.mark.parametrize("planted", PLANTED.values(), ids=list(PLANTED))
def test_every_spelling_is_found(planted: bytes) -> None:
    assert FINDER.find(planted), planted
    assert FINDER.find(b"before " + planted + b" behind"), planted


def test_the_key_of_a_directory_is_known_in_each_spelling_of_its_file() -> None:
    key = bytes(range(100, 164))
    written = [key, key.hex().encode() + b"\n", base64.encodebytes(key)]
    assert [raw_key(data) for data in written] == [[key]] * 3
    assert [raw_key(data) for data in (b"", key[:-1], b"no key at all\n", "ä".encode() * 44)] == [[]] * 4


def test_others_are_not_found() -> None:
    other = bytes(byte ^ 0x55 for byte in KEY)
    for text in (other, other.hex().encode(), base64.b64encode(other), b"correct horses", os.urandom(1 << 16)):
        assert not FINDER.find(text)


def test_a_search_for_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="no secret to look for"):
        Finder([])
    with pytest.raises(ValueError, match="fewer than 8"):
        Secret("a short one", b"1234567")


def test_spellings_are_long_enough_to_mean_something() -> None:
    for value in (KEY, PASSWORD, KEY[:8]):
        assert min(map(len, spellings(value).values())) >= 8
    assert len(spellings(KEY)["as it is"]) == PIECE


def test_files_are_searched_and_their_modes_looked_at(tmp_path: Path) -> None:
    for name, mode, data in (
        ("var/log/run.log", 0o600, b"made the key " + KEY.hex().encode()),
        ("etc/keys/fs1.key", 0o600, KEY),
        ("etc/keys/loose.key", 0o640, KEY),
        ("etc/keys/other", 0o644, b"nothing"),
    ):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        path.chmod(mode)
    wrong = sorted(scan(FINDER, tmp_path, ["etc/keys/*.key"]))
    assert wrong == [
        f"{tmp_path}/etc/keys/loose.key may hold the key (as it is), but its mode is 0640 and not 0600.",
        f"{tmp_path}/var/log/run.log holds the key (hexadecimal).",
    ]


def test_a_secret_across_the_edge_of_two_pieces_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.secrets.files._CHUNK", 4096)
    (tmp_path / "log").write_bytes(b"." * 4090 + KEY + b"." * 10)
    assert scan(FINDER, tmp_path)


def test_arguments_and_environments_are_sampled() -> None:
    """A process that lives a moment, with the secret in its words, and one with it in its environment."""
    with Sampler() as seen:
        sleep = [sys.executable, "-c", "import time; time.sleep(0.5)"]
        one = subprocess.Popen([*sleep, KEY.hex()])
        two = subprocess.Popen(sleep, env={**os.environ, "PASSWORD": PASSWORD.decode()})
        one.wait()
        two.wait()
        time.sleep(0.1)
    wrong = "\n".join(scan_texts(FINDER, seen.texts()))
    assert f"arguments of process {one.pid}: the key (hexadecimal)." in wrong
    assert f"environment of process {two.pid}: the password (as it is)." in wrong
    assert seen.rounds >= 2


def test_the_keys_of_a_keytab_are_what_is_looked_for() -> None:
    keys = [b"a" * 32, bytes(range(16)), b"c" * 32]
    data = keytab(*(record(f"host/n{number}.lab.example", key=key) for number, key in enumerate(keys)))
    hole = b"\xff\xff\xff\xf0" + b"\0" * 16
    assert list(keytab_keys(data[:2] + hole + data[2:])) == keys


def test_temporary_files_that_live_a_moment_are_sampled(tmp_path: Path) -> None:
    with Sampler(lambda: tmp_path.glob("host*/root/.ansible")) as seen:
        folder = tmp_path / "host1" / "root" / ".ansible" / "tmp"
        folder.mkdir(parents=True)
        (folder / "module").write_bytes(b"keys: " + base64.b64encode(KEY))
        time.sleep(0.5)
        (folder / "module").unlink()
    (wrong,) = scan_texts(FINDER, seen.texts())
    assert f"temporary file {folder}/module (mode 0644): the key (base64, place 0)." == wrong


def test_the_sampler_is_silent_about_what_is_not_there() -> None:
    with Sampler() as seen:
        subprocess.run([sys.executable, "-c", "pass"], check=True)
    assert len(seen.texts()) > 1
    assert not scan_texts(Finder([Secret("another", os.urandom(32))]), seen.texts())
