"""The libext2fs that Lustre's own tools load: found, asked, and told from mke2fs."""

from __future__ import annotations

import ctypes.util
import re
import subprocess
import sys

import pytest

from ansible_collections.lustre.core.plugins.module_utils._cli import ext4, libext2fs
from ansible_collections.lustre.core.plugins.module_utils._cli.libext2fs import Library
from ansible_collections.lustre.core.plugins.module_utils._errors import ToolError, ToolMissing, UnknownOutput
from ansible_collections.lustre.core.plugins.module_utils._readers.packages_info import Inspector
from ansible_collections.lustre.core.plugins.module_utils._run import Result

PLUGIN = "usr/lib64/lustre/mount_osd_ldiskfs.so"
PATH = "/lib/x86_64-linux-gnu/libext2fs.so.2"
#: As the real plug-in of 2.17.0 under Debian 12.
LDD = (
    f"\tlinux-vdso.so.1 (0x00007ffd14)\n\tlibext2fs.so.2 => {PATH} (0x00007f139a)\n"
    "\tlibc.so.6 => /lib/x86_64-linux-gnu/libc.so.6 (0x00007f139a)\n"
)
OPEN = (sys.executable, "-c", re.compile("(?s)\nimport ctypes.*"), PATH, re.compile("/.*/file"))
AWARE = "1.47.3-wc1 0 opened\n"
FOREIGN = "1.47.0 2133571395 Filesystem has unsupported feature(s)\n"
DPKG = ("dpkg-query", "-W", "-f", re.compile(".*", re.S), "e2fsprogs")
MKE2FS = ("mke2fs", "-n", "-t", "ext4", "-O", "dirdata", re.compile("/.*/file"))


@pytest.fixture
def root(tmp_path):
    for path, text in ((PLUGIN, ""), ("etc/os-release", "ID=debian\nVERSION_ID=12\n")):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text, encoding="utf-8")
    return str(tmp_path)


def ldd(root, answer=LDD):
    return (("ldd", f"{root}/{PLUGIN}"), answer)


@pytest.mark.parametrize(("said", "aware", "version"), [(AWARE, True, "1.47.3-wc1"), (FOREIGN, False, "1.47.0")])
def test_the_library_that_the_plug_in_loads_is_asked(fake, root, said, aware, version):
    assert libext2fs.loaded(fake([ldd(root), (OPEN, said)]), root) == Library(PATH, version, aware)


def test_any_other_complaint_about_the_scratch_file_is_no_missing_feature():
    assert libext2fs.parse(PATH, Result(0, "1.47.3-wc1 2133571363 The ext2 superblock is corrupt\n", "")).lustre_aware


def test_without_lustres_tools_nothing_is_asked(fake, tmp_path):
    assert libext2fs.loaded(fake([]), str(tmp_path)) is None


def test_a_library_that_the_loader_does_not_find(fake, root):
    assert libext2fs.loaded(fake([ldd(root, "\tlibext2fs.so.2 => not found\n")]), root) == Library("", "", False)


@pytest.mark.parametrize(
    ("calls", "error"),
    [
        ([(1, "", "not a dynamic executable\n")], ToolError),
        (["\tlibc.so.6 => /lib/libc.so.6 (0x0)\n"], UnknownOutput),
        ([LDD, (1, "", "ModuleNotFoundError: No module named 'ctypes'\n")], UnknownOutput),
        ([LDD, (-11, "", "")], UnknownOutput),
        ([LDD, "who knows\n"], UnknownOutput),
    ],
)
def test_an_unclear_answer_is_none(fake, root, calls, error):
    planned = [ldd(root, calls[0]), *((OPEN, answer) for answer in calls[1:])]
    with pytest.raises(error):
        libext2fs.loaded(fake(planned), root)


def test_the_scratch_file_carries_the_feature_of_an_mdt():
    assert ext4.superblock(bytes(1024) + libext2fs.superblock()) == ("", True)


def test_a_real_library_answers(root):
    """Whichever libext2fs this machine has, the question is one that a real one answers."""
    name = ctypes.util.find_library("ext2fs")
    assert name is not None, "every Linux with e2fsprogs has one"

    def run(argv, stdin=None, timeout=120.0):
        if argv[0] == "ldd":
            return Result(0, LDD.replace(PATH, f"/{name}"), "")
        done = subprocess.run([*argv[:3], name, argv[4]], capture_output=True, text=True, timeout=60, check=False)
        return Result(done.returncode, done.stdout, done.stderr)

    assert re.fullmatch(r"\d+\.\S+", libext2fs.loaded(run, root).version)


def inspect(run, root):
    families = {"debian": {"e2fsprogs": ["e2fsprogs"]}}
    return Inspector(run, {"families": families, "modules": []}, root, "6.1.0-18-amd64").inspect()


def test_a_foreign_library_beside_the_right_mke2fs_is_a_problem(fake, root):
    asked = (DPKG, "e2fsprogs\t1.47.3-wc1\tamd64\tii \n")
    right = (MKE2FS, Result(0, "", "mke2fs 1.47.3-wc1 (11-Jun-2025)\n"))
    found = inspect(fake([asked, right, ldd(root), (OPEN, FOREIGN)]), root)
    assert found["todo"] == ["e2fsprogs"] and found["e2fsprogs"]["lustre_aware"] is True
    assert found["e2fsprogs"]["library"] == {"path": PATH, "version": "1.47.0", "lustre_aware": False}
    text = found["problems"][0]["text"]
    assert f"it is {PATH} (version 1.47.0)" in text and "Do not wipe anything because of it." in text
    assert found["plan"][0]["action"] == "upgrade"
    assert inspect(fake([asked, right, ldd(root), (OPEN, AWARE)]), root)["todo"] == []
    assert inspect(fake([asked, right, (ldd(root)[0], ToolMissing("ldd"))]), root)["e2fsprogs"]["library"] is None
