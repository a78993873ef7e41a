"""Files that may be missing, and files that are not the text they should be."""

from __future__ import annotations

import pytest

from ansible_collections.lustre.core.plugins.module_utils._cli.text_files import text_or_empty
from ansible_collections.lustre.core.plugins.module_utils._errors import Refused
from ansible_collections.lustre.core.plugins.module_utils._resources.mount import read_table, read_text


def test_an_fstab_that_is_no_text_is_not_written_over(tmp_path):
    path = tmp_path / "fstab"
    path.write_bytes(b"UUID=1 / ext4 rw 0 1\r\n# caf\xe9\n")
    with pytest.raises(Refused, match=r"not UTF-8 at byte 27.*nothing was changed"):
        read_text(str(path))


def test_line_ends_come_back_as_they_are(tmp_path):
    path = tmp_path / "fstab"
    path.write_bytes(b"a\r\nb\n")
    assert read_text(str(path)) == "a\r\nb\n"
    assert read_text(str(tmp_path / "none")) is None


def test_a_mount_point_of_odd_bytes_does_not_hide_the_others(tmp_path):
    path = tmp_path / "mounts"
    path.write_bytes(b"/dev/sda /mnt/caf\xe9 ext4 rw 0 0\n10.0.0.1@tcp:/fs1 /mnt/fs1 lustre rw 0 0\n")
    first, second = read_table(str(path)).splitlines()
    assert first.encode(errors="surrogateescape") == b"/dev/sda /mnt/caf\xe9 ext4 rw 0 0"
    assert second.endswith("lustre rw 0 0")


def test_a_file_that_is_not_there_is_empty(tmp_path):
    assert text_or_empty(str(tmp_path / "none")) == ""
