"""The health gate of one node: every problem is found, nothing is changed but a test file that is removed again."""

from __future__ import annotations

import re

import pytest

from ansible_collections.lustre.core.plugins.module_utils._cli import file_io
from ansible_collections.lustre.core.plugins.module_utils._errors import BadValue, Refused, ToolTimeout
from ansible_collections.lustre.core.plugins.module_utils._readers.shared_files import SharedFile, SharedFiles
from ansible_collections.lustre.core.plugins.module_utils._readers.verify import CHECKS, Verifier, VerifyWant
from tests.unit.fake_runner import load_transcript

MGS = [["10.0.2.15@tcp"]]
DEVICES = """\
  0 UP osd-ldiskfs fs1-OST0000-osd fs1-OST0000-osd_UUID 5
  1 UP mgc MGC10.0.2.15@tcp 7d0e8b3c 4
  2 UP obdfilter fs1-OST0000 fs1-OST0000_UUID 7
"""
HEALTHY = "health_check=healthy\n"
DONE = "obdfilter.fs1-OST0000.recovery_status=\nstatus: COMPLETE\nrecovery_start: 1\ncompleted_clients: 2/2\n"
BUSY = "obdfilter.fs1-OST0000.recovery_status=\nstatus: RECOVERING\ntime_remaining: 200\ncompleted_clients: 1/2\n"
TABLE = "/dev/vdb /lustre/fs1/ost0000 lustre ro,svname=fs1-OST0000,mgsnode=10.0.2.15@tcp,osd=osd-ldiskfs 0 0\n"
CLIENT_TABLE = "10.0.2.15@tcp:/fs1 /mnt/fs1 lustre rw,flock 0 0\n"
OST = {
    "kind": "target", "path": "/lustre/fs1/ost0000", "device": "/dev/vdb", "label": "fs1-OST0000", "fsname": "fs1",
    "mgs_nids": MGS,
}  # fmt: skip
CLIENT = {"kind": "client", "path": "/mnt/fs1", "fsname": "fs1", "mgs_nids": MGS}
LNET_CALLS = [
    (("lnetctl", "net", "show", "-v"), load_transcript("lnet/net-show-v1")),
    (("lnetctl", "routing", "show"), load_transcript("lnet/routing-show")),
]
FILE = re.compile(r"/mnt/fs1/\.lustre-verify-[0-9a-f]{16}")
TEXT = "5a" * 8
OF, IF = re.compile("of=" + FILE.pattern), re.compile("if=" + FILE.pattern)
WRITE = (("dd", OF, "bs=1M", "iflag=fullblock", "conv=excl,fsync", "status=none"), "", TEXT)
READ = ("dd", IF, "bs=1M", "iflag=direct", "status=none")
REMOVE = (("rm", "-f", "--", FILE), "")


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def sleep(self, seconds):
        self.now += seconds


def verifier(run, want, checks, table="", **more):
    clock = Clock()
    files = {"/proc/self/mounts": table}
    return Verifier(
        run, VerifyWant.from_want(want), checks, size=len(TEXT), read=lambda path: files.get(path, ""),
        random=lambda size: TEXT, sleep=clock.sleep, clock=lambda: clock.now, **more,
    )  # fmt: skip


def lctl(out):
    return (("lctl",), out)


def found(result, name):
    return [(check["object"], check["ok"], check["found"]) for check in result["checks"] if check["name"] == name]


def test_a_server_as_described(fake):
    checks = ("health", "targets", "recovery")
    result = verifier(fake([lctl(DEVICES + HEALTHY + DONE)]), {"mounts": [OST]}, checks, TABLE).verify()
    assert result["healthy"] and result["problems"] == []
    assert [(check["name"], check["ok"]) for check in result["checks"]] == [
        ("health", True),
        ("target", True),
        ("recovery", True),
    ]
    assert result["targets"] == [{"label": "fs1-OST0000", "state": "UP", "path": "/lustre/fs1/ost0000"}]


def test_every_problem_is_told_not_only_the_first(fake):
    out = DEVICES.replace("2 UP", "2 ST") + "health_check=NOT HEALTHY\n" + BUSY
    other = {**OST, "label": "fs1-OST0001", "device": "/dev/vdc", "path": "/lustre/fs1/ost0001"}
    run = fake([lctl(out)])
    result = verifier(run, {"mounts": [OST, other]}, ("health", "targets", "recovery"), TABLE, timeout=0).verify()
    assert not result["healthy"] and len(result["problems"]) == 4
    assert [re.sub(r"\W.*", "", text) for text in result["problems"]] == ["health_check", "fs1", "fs1", "fs1"]
    assert found(result, "target") == [
        ("fs1-OST0000", False, "ST at /lustre/fs1/ost0000"),
        ("fs1-OST0001", False, "not here"),
    ]
    assert "fs1-OST0000 is still in recovery after 0 s: RECOVERING (1/2 clients done)" in result["problems"][3]


def test_recovery_is_waited_for_within_a_bound(fake):
    run = fake([lctl(DEVICES + HEALTHY + BUSY), lctl(DEVICES + HEALTHY + BUSY), lctl(DEVICES + HEALTHY + DONE)])
    result = verifier(run, {"mounts": [OST]}, ("recovery",), TABLE, timeout=60).verify()
    assert result["healthy"] and result["waited"] == 5.0
    run = fake([lctl(DEVICES + BUSY)] * 3)
    result = verifier(run, {"mounts": [OST]}, ("recovery",), TABLE, timeout=6).verify()
    assert not result["healthy"] and result["waited"] <= 6


@pytest.mark.parametrize(
    ("change", "managed", "table", "healthy"),
    [
        ({"state": "present", "boot": False}, [], TABLE, False),
        ({"state": "present", "boot": False}, ["fs1-OST0000"], TABLE, True),
        ({"state": "unmounted"}, [], TABLE, False),
        ({"path": "/elsewhere"}, [], TABLE, False),
        ({}, [], TABLE.replace("/lustre/fs1/ost0000", "/elsewhere"), False),
    ],
)
def test_a_target_at_the_wrong_place(fake, change, managed, table, healthy):
    want = {"mounts": [{**OST, **change}], "cluster_managed": managed}
    result = verifier(fake([lctl(DEVICES + HEALTHY)]), want, ("targets",), table).verify()
    assert result["healthy"] is healthy
    if change.get("state") == "present" and not managed:
        assert "fs1-OST0000 runs on this node" in result["problems"][0]


@pytest.mark.parametrize(("state", "managed"), [("present", []), ("present", ["fs1-OST0000"]), ("absent", [])])
def test_a_standby_without_the_target_is_fine(fake, state, managed):
    want = {"mounts": [{**OST, "state": state}], "cluster_managed": managed}
    assert verifier(fake([lctl("version=2.17.0\n")]), want, ("targets", "health")).verify()["healthy"]


def test_lnet_reaches_what_it_must_and_nothing_else(fake):
    want = {
        "lnet": {"nids": ["10.0.2.15@tcp", "10.9.9.9@tcp"]},
        "expected": {"reachable": ["10.0.3.1@tcp", "10.0.3.2@tcp0"], "unreachable": ["10.1.0.1@tcp1", "10.1.0.2@tcp1"]},
    }
    failed = (5, "", "failed to ping 10.0.3.2@tcp: Input/output error\n")
    calls = [
        lctl("version=2.17.0\n"), *LNET_CALLS,
        (("lctl", "ping", "10.0.3.1@tcp", "10"), failed), (("lctl", "ping", "10.0.3.1@tcp", "10"), "12345-0@lo\n"),
        (("lctl", "ping", "10.0.3.2@tcp", "10"), failed), (("lctl", "ping", "10.0.3.2@tcp", "10"), failed),
        (("lctl", "ping", "10.1.0.1@tcp1", "3"), "12345-0@lo\n"),
        (("lctl", "ping", "10.1.0.2@tcp1", "3"), ToolTimeout("run lctl", ["lctl"], 20.0, False)),
    ]  # fmt: skip
    result = verifier(fake(calls), want, ("lnet",)).verify()
    assert [ok for _nid, ok, _found in found(result, "nid")] == [True, False]
    assert [(nid, ok) for nid, ok, _found in found(result, "ping")] == [("10.0.3.1@tcp", True), ("10.0.3.2@tcp", False)]
    assert [(nid, ok) for nid, ok, _found in found(result, "no ping")] == [
        ("10.1.0.1@tcp1", False),
        ("10.1.0.2@tcp1", True),
    ]
    assert len(result["problems"]) == 3
    assert "10.1.0.1@tcp1 answers this node, although no network or route" in result["problems"][2]


def test_connections_of_its_file_systems_only(fake, transcript):
    out = transcript("params/imports").out
    client = {**CLIENT, "fsname": "lustre"}
    broken = out.replace("state: FULL", "state: DISCONN")
    assert verifier(fake([lctl(out)]), {"mounts": [client]}, ("imports",)).verify()["healthy"]
    result = verifier(fake([lctl(broken)]), {"mounts": [client]}, ("imports",), timeout=0).verify()
    assert not result["healthy"] and "is DISCONN after 0 s" in result["problems"][0]
    result = verifier(fake([lctl(broken)] * 10), {"mounts": [client]}, ("imports",), timeout=300).verify()
    assert not result["healthy"] and 60 <= result["waited"] < 75
    # Connections of a file system that this node has nothing to do with are not its trouble; the MGS is.
    result = verifier(fake([lctl(broken)]), {"mounts": [CLIENT]}, ("imports",), timeout=0).verify()
    assert {check["name"] for check in result["checks"]} == {"import"}
    assert all(check["object"].startswith("MGC") for check in result["checks"])


def test_a_file_is_written_read_back_and_removed(fake):
    run = fake([lctl("version=2.17.0\n"), WRITE, (READ, TEXT), REMOVE])
    result = verifier(run, {"mounts": [CLIENT]}, ("mounts", "files"), CLIENT_TABLE).verify()
    assert result["healthy"]
    assert result["mounts"] == [{"fsname": "fs1", "subdir": "", "path": "/mnt/fs1", "writable": True, "owner": ""}]


TENANT = {**CLIENT, "tenant": "bio"}
OWNER = ("stat", "-c", "%u:%g", "--", "/mnt/fs1")


def by_owner(call, uid="500", gid="501"):
    """The same call, by the owner of a tenant's directory."""
    return (("setpriv", f"--reuid={uid}", f"--regid={gid}", "--clear-groups", "--", *call[0]), *call[1:])


def test_on_the_mount_of_a_tenant_its_owner_writes_where_root_may_be_squashed(fake):
    calls = [by_owner(call) for call in (WRITE, (READ, TEXT), REMOVE)]
    run = fake([lctl("version=2.17.0\n"), (OWNER, "500:501\n"), *calls])
    result = verifier(run, {"mounts": [TENANT]}, ("mounts", "files"), CLIENT_TABLE).verify()
    assert result["healthy"] and result["mounts"][0]["owner"] == "500:501"
    run = fake([lctl("version=2.17.0\n"), (OWNER, "0:0\n"), WRITE, (READ, TEXT), REMOVE])
    result = verifier(run, {"mounts": [TENANT]}, ("mounts", "files"), CLIENT_TABLE).verify()
    assert result["healthy"] and result["mounts"][0]["owner"] == "", "root needs no other name"


def test_an_owner_that_cannot_be_read_is_told(fake):
    for answer, said in (
        ("?:?\n", "the owner of /mnt/fs1"),
        ((1, "", "stat: Permission denied\n"), "Permission denied"),
    ):
        run = fake([lctl("version=2.17.0\n"), (OWNER, answer), REMOVE])
        result = verifier(run, {"mounts": [TENANT]}, ("files",), CLIENT_TABLE).verify()
        assert not result["healthy"] and said in result["problems"][0]
    with pytest.raises(BadValue, match="Write UID:GID"):
        file_io.as_owner(fake([]), "root")


def test_who_mounts_what_is_missing(fake):
    for want, said in ((TENANT, "playbook lustre.core.tenants mounts it"), (CLIENT, "site playbook mounts it")):
        (problem,) = verifier(fake([lctl("version=2.17.0\n")]), {"mounts": [want]}, ("mounts",)).verify()["problems"]
        assert said in problem


def test_without_direct_access_the_page_cache_is_dropped(fake):
    refused = (1, "", "dd: failed to open '/mnt/fs1/x': Invalid argument\n")
    drop = (("dd", IF, "iflag=nocache", "count=0", "status=none"), "")
    plain = (("dd", IF, "bs=1M", "status=none"), TEXT)
    run = fake([lctl("version=2.17.0\n"), WRITE, (READ, refused), drop, plain, REMOVE])
    assert verifier(run, {"mounts": [CLIENT]}, ("files",), CLIENT_TABLE).verify()["healthy"]


@pytest.mark.parametrize(
    ("read", "said"),
    [
        (TEXT[:-1] + "b", "differ from byte 15 on"),
        (TEXT[:4], "4 bytes instead of 16"),
        ((1, "", "dd: error reading: Input/output error\n"), "Input/output error"),
        (ToolTimeout("run dd", ["dd"], 60.0, False), "60 s"),
    ],
)
def test_what_cannot_be_read_back_is_told_and_the_file_removed(fake, read, said):
    run = fake([lctl("version=2.17.0\n"), WRITE, (READ, read), REMOVE])
    result = verifier(run, {"mounts": [CLIENT]}, ("files",), CLIENT_TABLE).verify()
    assert not result["healthy"] and said in result["problems"][0]
    assert not result["mounts"][0]["writable"]


def test_a_write_that_failed_half_way_leaves_no_file(fake):
    full = (WRITE[0], (1, "", "dd: error writing: No space left on device\n"))
    squashed = (1, "", "rm: cannot remove: Permission denied\n")
    run = fake([lctl("version=2.17.0\n"), full, (REMOVE[0], squashed)])
    result = verifier(run, {"mounts": [CLIENT]}, ("files",), CLIENT_TABLE).verify()
    assert "No space left on device" in result["problems"][0] and "Permission denied" in result["problems"][0]


@pytest.mark.parametrize(
    ("want", "table", "problems"),
    [
        (CLIENT, "", 1),
        (CLIENT, "10.0.2.15@tcp:/fs2 /mnt/fs1 lustre rw 0 0\n", 1),
        ({**CLIENT, "subdir": "/p"}, CLIENT_TABLE, 1),
        (CLIENT, "tmpfs /mnt/fs1 tmpfs rw 0 0\n", 1),
        ({**CLIENT, "state": "unmounted"}, CLIENT_TABLE, 1),
        ({**CLIENT, "state": "unmounted"}, "", 0),
        ({**CLIENT, "state": "absent"}, "tmpfs /mnt/fs1 tmpfs rw 0 0\n", 0),
        ({**CLIENT, "state": "present"}, CLIENT_TABLE, 0),
        (CLIENT, CLIENT_TABLE.replace("rw,", "ro,"), 0),
    ],
)
def test_client_mounts_and_nothing_is_written_where_they_are_wrong(fake, want, table, problems):
    result = verifier(fake([lctl("version=2.17.0\n")]), {"mounts": [want]}, ("mounts", "files"), table).verify()
    assert len(result["problems"]) == problems and result["mounts"] == []


def test_an_automount_is_woken_by_a_look(fake):
    autofs = "systemd-1 /mnt/fs1 autofs rw 0 0\n"
    run = fake([lctl("version=2.17.0\n"), (("stat", "-f", "--", "/mnt/fs1"), ""), WRITE, (READ, TEXT), REMOVE])
    want = {"mounts": [{**CLIENT, "automount": True}]}
    assert verifier(run, want, ("mounts", "files"), autofs + CLIENT_TABLE).verify()["healthy"]


def test_a_read_only_check_writes_nothing(fake):
    run = fake([lctl("version=2.17.0\n")])
    result = verifier(run, {"mounts": [CLIENT]}, ("mounts", "files"), CLIENT_TABLE, write=False).verify()
    assert result["healthy"] and not result["mounts"][0]["writable"]


def test_what_a_node_cannot_tell_is_a_problem(fake):
    result = verifier(
        fake([lctl(ToolTimeout("run lctl", ["lctl"], 60.0, False))]), {"mounts": []}, ("health",)
    ).verify()
    assert not result["healthy"] and "60 s" in result["problems"][0]


def test_a_want_that_cannot_be():
    with pytest.raises(BadValue, match=r"want\.expected\.reachable"):
        VerifyWant.from_want({"expected": {"reachable": ["somewhere"]}})
    assert set(CHECKS) == {"health", "targets", "recovery", "lnet", "imports", "changelogs", "mounts", "files"}


# Files that clients share

NAME = "/mnt/fs1/.lustre-verify-0123456789abcdef"


def shared(run, table=CLIENT_TABLE, path=NAME):
    waits = []
    files = [SharedFile.from_options({"path": path, "content": TEXT, "writer": "client1"}, "files[0]")]
    return SharedFiles(run, files, read=lambda _path: table, sleep=waits.append), waits


def read_call(answer):
    return (("dd", f"if={NAME}", "bs=1M", "iflag=direct", "status=none"), answer)


def test_one_writes_others_read_the_writer_removes(fake):
    write = (("dd", f"of={NAME}", "bs=1M", "iflag=fullblock", "conv=excl,fsync", "status=none"), "", TEXT)
    assert shared(fake([write]))[0].act("write")["healthy"]
    assert shared(fake([read_call(TEXT)]))[0].act("read")["healthy"]
    assert shared(fake([(("rm", "-f", "--", NAME), "")]))[0].act("remove")["healthy"]


def test_what_another_client_wrote_may_come_late_but_must_come(fake):
    absent = (1, "", f"dd: failed to open '{NAME}': No such file or directory\n")
    late, waits = shared(fake([read_call(absent), read_call(TEXT)]))
    assert late.act("read")["healthy"] and len(waits) == 1
    never, waits = shared(fake([read_call(absent)] * 11))
    result = never.act("read")
    assert not result["healthy"] and len(waits) == 10 and "No such file" in result["problems"][0]
    other, _waits = shared(fake([read_call("else")] * 11))
    assert "does not hold what client1 has written" in other.act("read")["problems"][0]


@pytest.mark.parametrize("action", ["write", "read", "remove"])
@pytest.mark.parametrize(
    ("table", "path"),
    [
        ("", NAME),
        (CLIENT_TABLE + "tmpfs /mnt tmpfs rw 0 0\n", "/mnt/.lustre-verify-0123456789abcdef"),
        (CLIENT_TABLE, "/mnt/fs1/data"),
    ],
)
def test_nothing_but_our_files_on_lustre_is_touched(fake, action, table, path):
    result = shared(fake([]), table, path)[0].act(action)
    assert not result["healthy"] and result["problems"][0].startswith(f"Refused to touch {path}")


@pytest.mark.parametrize(
    "path", ["/mnt/fs1/x", "/mnt/.lustre-verify-0123456789abcdef/x", ".lustre-verify-0123456789abcdef"]
)
def test_a_name_that_is_not_ours(fake, path):
    with pytest.raises(Refused):
        file_io.remove(fake([]), path)
