"""What is read of LUKS: headers, what the real cryptsetup said (recorded), and key files."""

from __future__ import annotations

import base64
import zlib

import pytest

from ansible_collections.lustre.core.plugins.module_utils._cli import cryptsetup, crypttab, luks_header
from ansible_collections.lustre.core.plugins.module_utils._cli.cryptsetup import Mapping
from ansible_collections.lustre.core.plugins.module_utils._errors import ToolError, UnknownOutput
from ansible_collections.lustre.core.plugins.module_utils._resources import luks_state
from tests.unit.fake_runner import load_cases, load_transcript

KEY = bytes(range(64))
ACTIVE = load_transcript("luks/status-in-use").out
ITS = "fs1-OST0000"


def test_a_real_header_is_read():
    data = zlib.decompress(base64.b64decode(load_cases("luks_header")["header"]))
    found = luks_header.read(lambda length: data[:length])
    dump = load_transcript("luks/dump").out
    assert found.label == ITS and found.label in dump and found.uuid in dump
    assert (found.version, found.subsystem, found.damage) == (2, "lustre", "")
    for at in (40, 200, 230, 4500, 16000):
        torn = bytearray(data)
        torn[at] ^= 1
        assert luks_header.read(lambda length, torn=torn: bytes(torn[:length])).damage
    assert luks_header.read(lambda length: bytes(length)) is None


def test_the_recordings_of_cryptsetup(fake):
    """What the code relies on, as cryptsetup 2.6.1 said it."""
    assert load_transcript("luks/format-over-ext4-batch") == (0, "", "")
    assert load_transcript("luks/format-empty-key").rc == 0
    assert "(no label)" in load_transcript("luks/dump-label-lost").out
    assert load_transcript("luks/backup-exists").rc == 1
    wrong = load_transcript("luks/wrong-key")
    assert "belongs to it" in str(cryptsetup.error("open x", ["cryptsetup"], wrong.rc, wrong.out, wrong.err))
    with pytest.raises(ToolError, match="modprobe dm_mod dm_crypt"):
        cryptsetup.status(fake([(("cryptsetup", "status", "x"), load_transcript("luks/status-no-dm"))]), "x")


@pytest.mark.parametrize(
    ("recorded", "found"),
    [
        ("status-inactive", None),
        ("status-active", Mapping("LUKS2", "/dev/ubdb")),
        ("status-in-use", Mapping("LUKS2", "/dev/ubdb")),
    ],
)
def test_what_is_open_as_a_real_device_mapper_has_it(fake, recorded, found):
    call = (("cryptsetup", "status", ITS), load_transcript(f"luks/{recorded}"))
    assert cryptsetup.status(fake([call]), ITS) == found


@pytest.mark.parametrize("recorded", ["open-twice", "open-other-name", "close-in-use"])
def test_what_is_in_use_is_told_as_that(recorded):
    told = load_transcript(f"luks/{recorded}")
    assert "in use: `lsblk`" in str(cryptsetup.error("open x", ["cryptsetup"], told.rc, told.out, told.err))


@pytest.mark.parametrize(
    "text",
    [
        "",
        ACTIVE.replace(f"/{ITS} is", "/y is"),
        ACTIVE.replace("active", "asleep"),
        ACTIVE.replace("device:", "thing:"),
    ],
)
def test_a_status_that_nobody_knows_stops(text):
    with pytest.raises(UnknownOutput):
        cryptsetup.parse_status(ITS, text)


def test_key_files_are_read_as_they_are(tmp_path):
    path = tmp_path / "key"
    assert not luks_state.read_key(str(path)).exists
    path.write_bytes(KEY)
    path.chmod(0o644)
    assert "mode 0644" in luks_state.read_key(str(path)).problem
    path.chmod(0o600)
    owner = luks_state.read_key(str(path))
    assert owner.digest == luks_state.digest(KEY) or "owner" in owner.problem
    link = tmp_path / "link"
    link.symlink_to(path)
    assert "no regular file" in luks_state.read_key(str(link)).problem
    assert crypttab.line_of("# x") is None
