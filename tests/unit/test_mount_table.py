"""The kernel's mount table, fstab and /proc as text."""

from __future__ import annotations

import os
import pwd

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.lustre.core.plugins.module_utils._cli import fstab, mounts
from ansible_collections.lustre.core.plugins.module_utils._cli.fstab import FstabEntry
from ansible_collections.lustre.core.plugins.module_utils._cli.holders import holders_of
from ansible_collections.lustre.core.plugins.module_utils._errors import LustreError, Refused, UnknownOutput


def test_the_recorded_table(transcript):
    mdt0, ost0, _ost1, mdt1, client = mounts.parse_mounts(transcript("mount/proc-mounts").out)
    assert (mdt0.source, mdt0.path, mdt0.target, mdt0.option("svname")) == (
        "/dev/vdb",
        "/mnt/lustre-mdt0",
        True,
        "lustre-MDT0000",
    )
    assert "mgs" in mdt0.options and ost0.option("mgsnode") == "10.0.2.15@tcp" and mdt1.client is None
    assert client.client == mounts.ClientSource((("10.0.2.15@tcp",),), "lustre", "") and not client.target


def test_names_of_types_and_blanks():
    text = "10.0.0.1@tcp:/fs1/a\\040b /mnt/a\\040b\\134c fuse.lustre rw 0 0\n/dev/sdb /mnt/t lustre_tgt rw 0 0\nfusectl /sys fusectl rw 0 0\n"
    client, target, other = mounts.parse_mounts(text)
    assert (client.fstype, client.path, client.client.subdir) == ("lustre", "/mnt/a b\\c", "/a b")
    assert target.target and not other.lustre


@pytest.mark.parametrize(
    ("source", "nodes", "fsname", "subdir"),
    [
        ("10.0.0.1@tcp:/fs1", [["10.0.0.1@tcp"]], "fs1", ""),
        (
            "10.0.0.1@tcp0,10.1.0.1@o2ib:10.0.0.2@tcp:/fs1/p/q/",
            [["10.0.0.1@tcp", "10.1.0.1@o2ib"], ["10.0.0.2@tcp"]],
            "fs1",
            "/p/q",
        ),
        ("fd00::1@tcp:fd00::2@tcp:/fs1", [["fd00::1@tcp"], ["fd00::2@tcp"]], "fs1", ""),
        ("mgs1@tcp:/fs1", None, "fs1", ""),
    ],
)
def test_client_source(source, nodes, fsname, subdir):
    found = mounts.client_source(source)
    wanted = None if nodes is None else tuple(tuple(node) for node in nodes)
    assert (found.nodes, found.fsname, found.subdir) == (wanted, fsname, subdir)


@pytest.mark.parametrize("source", ["/dev/sdb", "tank/ost0", "server:/home/with-a-long-name", "", "none", "a:/"])
def test_no_client_source(source):
    assert mounts.client_source(source) is None or source.startswith("server")


def test_a_nodes_set_does_not_depend_on_the_order():
    one, two = (
        mounts.client_source("10.0.0.1@tcp:10.0.0.2@tcp:/f"),
        mounts.client_source("10.0.0.2@tcp0:10.0.0.1@tcp:/f"),
    )
    assert one.node_set == two.node_set
    assert one.node_set != mounts.client_source("10.0.0.1@tcp,10.0.0.2@tcp:/f").node_set


@given(st.text(max_size=200))
def test_any_table_gives_entries_or_a_typed_error(text):
    try:
        for entry in mounts.parse_mounts(text):
            assert entry.client is None or not entry.target
    except LustreError:
        pass


def test_a_line_of_an_unknown_shape():
    with pytest.raises(UnknownOutput):
        mounts.parse_mounts("/dev/sdb /mnt lustre rw 0\n")


OURS = FstabEntry("10.0.0.1@tcp:/fs1", "/mnt/fs1", "lustre", ("_netdev", "nofail"))
_LINE = st.text(st.characters(exclude_characters="\n", exclude_categories=["Cs"]), max_size=40)
_FSTAB = st.lists(
    _LINE
    | st.sampled_from(
        [
            "# a comment",
            "",
            "UUID=1 / ext4 rw 0 1\r",
            "/mnt/fs1 /data ext4",
            "\tserver:/x\t/y nfs4 rw 0 0 # z",
            "/swap none swap sw 0 0",
        ]
    ),
    max_size=8,
).map("\n".join)


def foreign(text):
    return [
        line
        for line in text.split("\n")
        if (fstab.entry_of(line) or OURS).path != OURS.path or fstab.entry_of(line) is None
    ]


@given(_FSTAB, st.booleans())
def test_foreign_lines_come_out_as_they_went_in(text, end):
    text += "\n" if end and text else ""
    edited = fstab.edit(text, {OURS.path: OURS})
    assert fstab.entries(edited)[OURS.path].means(OURS)
    assert [line for line in foreign(edited) if line] == [line for line in foreign(text) if line]
    assert edited.startswith(text) or text.rstrip("\n") in edited
    assert fstab.edit(edited, {OURS.path: OURS}) == edited
    gone = fstab.edit(edited, {OURS.path: None})
    assert gone == text + ("\n" if text and not text.endswith("\n") else "")


@given(_FSTAB)
def test_nothing_wanted_changes_nothing(text):
    assert fstab.edit(text, {}) == text
    assert fstab.edit(text, {"/not/there": None}) == text


def test_a_line_is_changed_in_its_place_and_keeps_its_end():
    text = "# a\r\n10.0.0.9@tcp:/fs1 /mnt/fs1/ lustre defaults 0 0\r\nUUID=1 / ext4 rw 0 1\r\n"
    assert fstab.edit(text, {OURS.path: OURS}) == text.replace(
        "10.0.0.9@tcp:/fs1 /mnt/fs1/ lustre defaults 0 0", OURS.line()
    )


def test_a_line_of_the_newer_type_is_ours_and_gets_the_type_that_mounts():
    text = "/dev/sdb /mnt/t lustre_tgt rw 0 0\n"
    entry = FstabEntry("/dev/sdb", "/mnt/t", "lustre", ("_netdev",))
    assert fstab.edit(text, {"/mnt/t": entry}) == "/dev/sdb /mnt/t lustre _netdev 0 0\n"


def test_somebody_elses_line_is_refused():
    with pytest.raises(Refused, match="line 2 mounts server:/x of type nfs4"):
        fstab.edit("\nserver:/x /mnt/fs1 nfs4 rw 0 0\n", {OURS.path: OURS})


def test_blanks_in_a_path_are_written_as_fstab_wants_them():
    entry = FstabEntry("10.0.0.1@tcp:/fs1", "/mnt/a b#c", "lustre", ("nofail",))
    text = fstab.edit("", {entry.path: entry})
    assert text == "10.0.0.1@tcp:/fs1 /mnt/a\\040b\\043c lustre nofail 0 0\n"
    assert fstab.entries(text) == {entry.path: entry}


def test_holders_are_found_in_proc(tmp_path):
    def process(pid, cwd, files=(), maps="", command="sleep\x00100\x00"):
        folder = tmp_path / str(pid)
        (folder / "fd").mkdir(parents=True)
        (folder / "cwd").symlink_to(cwd)
        (folder / "exe").symlink_to("/usr/bin/sleep")
        for number, path in enumerate(files):
            (folder / "fd" / str(number)).symlink_to(path)
        (folder / "maps").write_text(maps)
        (folder / "cmdline").write_text(command)
        (folder / "comm").write_text("kernel-name\n")
        (folder / "status").write_text(f"Name:\tx\nUid:\t{os.getuid()}\t0\t0\t0\n")

    process(10, "/")
    process(20, "/mnt/fs1/home")
    process(30, "/", ["/dev/null", "/mnt/fs1/data (deleted)"])
    process(40, "/", maps="7f00-7f01 r-xp 00000000 08:01 123     /mnt/fs1/lib.so\n", command="")
    process(50, "/mnt/fs10")
    (tmp_path / "self").mkdir()
    (tmp_path / "60").mkdir()
    found = holders_of("/mnt/fs1", str(tmp_path))
    user = pwd.getpwuid(os.getuid()).pw_name
    assert [(one.pid, one.path) for one in found] == [
        (20, "/mnt/fs1/home"),
        (30, "/mnt/fs1/data (deleted)"),
        (40, "/mnt/fs1/lib.so"),
    ]
    assert found[0].text() == f"process 20 (sleep 100) of {user}: /mnt/fs1/home"
    assert found[2].command == "kernel-name"
