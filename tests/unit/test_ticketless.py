# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Users without a ticket: who is told, with which processes, and what is found of them in /proc."""

from __future__ import annotations

import os

import pytest

from ansible_collections.lustre.core.plugins.module_utils._cli import lctl_params, srpc
from ansible_collections.lustre.core.plugins.module_utils._cli.waiting import Waiting, waiting_of
from ansible_collections.lustre.core.plugins.module_utils._readers.ticketless import name_of, remarks

MDC = "mdc.fs1-MDT0000-mdc-ff3d526c8886a800"
IMPORTS = [{"name": MDC, "type": "mdc", "flavor": "krb5i"}]
STACK = "[<0>] wait_woken+0x50/0x60\n[<0>] ptlrpc_set_wait+0x5f0/0x7c0 [ptlrpc]\n[<0>] ll_lookup_it+0x1/0x2 [lustre]\n"
TICKS = os.sysconf("SC_CLK_TCK")
GET_ONE = "uses a file system with a Kerberos flavor here and has no ticket: what it asks for is refused, and then not answered at all. "


def context(uid: int, valid: bool, name: str = MDC) -> dict[str, object]:
    return {"name": name, "uid": uid, "valid": valid}


def process(pid: int, uid: int = 2001, seconds: float = 12.0) -> Waiting:
    return Waiting(pid, f"ls /mnt/{pid}", "alice", uid, seconds)


def told(contexts, *waiting, imports=IMPORTS):
    return remarks(imports, contexts, lambda: waiting, lambda uid: f"user{uid}")


@pytest.mark.parametrize(
    ("contexts", "waiting", "users"),
    [
        ([], [], []),
        ([context(0, False)], [], []),
        ([context(2001, True)], [], []),
        ([context(2001, False)], [], ["user2001 uses"]),
        ([context(2002, False), context(2001, False)], [], ["user2001 uses", "user2002 uses"]),
        ([context(2001, True), context(2001, False)], [], []),
        ([context(2001, True), context(2001, False)], [process(7)], ["user2001 got a Kerberos ticket after"]),
        ([context(2001, True)], [process(7)], []),
        ([context(2001, False)], [process(7, uid=2002)], ["user2001 uses"]),
        ([context(2001, False, "osc.fs1-OST0000-osc-ff3d526c8886a800")], [process(7)], []),
    ],
)
def test_who_is_told(contexts, waiting, users):
    found = told(contexts, *waiting)
    assert len(found) == len(users) and all(one.startswith(user) for one, user in zip(found, users)), found


def test_the_sentences():
    assert told([context(2001, False)]) == [
        f"user2001 {GET_ONE}Get a ticket as that user (kinit; for services and cron jobs a keytab and k5start), or keep it off the mount."
    ]
    (one,) = told([context(2001, False)], process(812, seconds=312.4))
    assert one.endswith(
        "1 process waits inside the kernel, the oldest begun 312 s ago: 812 (ls /mnt/812). It ends neither by itself nor by a ticket, and "
        "keeps the mount busy: kill 812."
    )
    (many,) = told([context(2001, True), context(2001, False)], *(process(pid, seconds=pid) for pid in range(100, 112)))
    assert "12 processes wait inside the kernel, the oldest begun 111 s ago: 100 (ls /mnt/100), 101" in many
    assert "109 (ls /mnt/109) and 2 more. They end neither" in many and many.endswith("108 109 110 111.")


@pytest.mark.parametrize("flavor", ["null", "skpi"])
def test_without_kerberos_nobody_needs_a_ticket(flavor):
    imports = [
        {"name": MDC, "type": "mdc", "flavor": flavor},
        {"name": "mgc.MGC1@tcp", "type": "mgc", "flavor": "krb5p"},
    ]
    assert remarks(imports, [context(2001, False)], lambda: pytest.fail("/proc was read")) == []


def test_of_a_recording(transcript):
    """A user with a ticket who had asked without one before: two contexts, one of which never came up."""
    shown = transcript("kerberos/cli-alice-ticket").out
    values = lctl_params.parse(shown[shown.index("mdc.lustre-MDT0000") :], "", ["*.*.srpc_contexts"]).values
    contexts, imports = [], []
    for full, text in values.items():
        name = full.removesuffix(".srpc_contexts")
        imports.append({"name": name, "type": name[:3], "flavor": "krb5i"})
        contexts += [context(one.uid, one.valid, name) for one in srpc.parse_contexts(text)]
    assert [one["uid"] for one in contexts if one["uid"]] == [2001, 2001]
    assert told(contexts, imports=imports) == []
    assert [one.split()[0] for one in told(contexts, process(9), imports=imports)] == ["user2001"]


def test_names():
    assert name_of(0) == "root (uid 0)" and name_of(4294967290) == "uid 4294967290"


class Proc:
    """A /proc with one Lustre mount and the processes of a test."""

    def __init__(self, folder, fstype="lustre"):
        self.folder = folder
        (folder / "self").mkdir()
        (folder / "self/mounts").write_text(f"proc /proc proc rw 0 0\n10.0.0.1@tcp:/fs1 /mnt/fs1 {fstype} rw 0 0\n")
        (folder / "uptime").write_text("1000.50 900.00\n")

    def process(self, pid, wchan="0", stack="", uid=2001, threads=1):
        folder = self.folder / str(pid)
        folder.mkdir()
        (folder / "status").write_text(f"Name:\tls\nUid:\t0\t0\t0\t{uid}\n")
        (folder / "cmdline").write_text("ls\0/mnt/fs1\0")
        (folder / "stat").write_text(f"{pid} (l) s) S {' '.join(['0'] * 18)} {900 * TICKS} 0 0\n")
        for number in range(threads):
            thread = folder / "task" / str(pid + number)
            thread.mkdir(parents=True)
            last = number == threads - 1
            (thread / "wchan").write_text(wchan if last else "do_wait")
            (thread / "stack").write_text(stack if last else "")

    def found(self):
        return [one.pid for one in waiting_of(str(self.folder))]


def test_who_waits_is_found_in_proc(tmp_path):
    proc = Proc(tmp_path)
    proc.process(10, "do_wait")
    proc.process(20, "ptlrpc_set_wait")
    proc.process(30, "0", STACK, threads=3)
    proc.process(40, "sptlrpc_req_refresh_ctx")
    proc.process(50, "ptlrpc_set_wait", uid=0)
    proc.process(60, "request_wait_answer")
    (tmp_path / "70").mkdir()
    assert proc.found() == [20, 30, 40]
    one = waiting_of(str(tmp_path))[0]
    assert (one.uid, one.command, round(one.seconds, 1)) == (2001, "ls /mnt/fs1", 100.5)
    assert one.text().startswith("process 20 (ls /mnt/fs1) of ") and one.text().endswith("begun 100 s ago")


def test_a_mount_that_a_program_serves_waits_elsewhere(tmp_path):
    proc = Proc(tmp_path, "fuse.lustre")
    proc.process(10, "ptlrpc_set_wait")
    proc.process(20, "request_wait_answer")
    assert proc.found() == [20]


def test_without_a_mount_nobody_waits_for_one(tmp_path):
    proc = Proc(tmp_path, "fuse.sshfs")
    proc.process(20, "request_wait_answer")
    proc.process(30, "ptlrpc_set_wait")
    assert proc.found() == []
    (tmp_path / "self/mounts").unlink()
    assert proc.found() == []
