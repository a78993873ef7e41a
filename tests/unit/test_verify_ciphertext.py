"""Ciphertext on the servers' devices: proven only by a look that finds what lies there in clear; anything else is told."""

from __future__ import annotations

import json
import os
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.lustre.core.plugins.module_utils._cli import debugfs, fscrypt, lfs
from ansible_collections.lustre.core.plugins.module_utils._errors import BadValue, ToolError, ToolMissing, UnknownOutput
from ansible_collections.lustre.core.plugins.module_utils._readers.device_bytes import DeviceBytes
from ansible_collections.lustre.core.plugins.module_utils._readers.marked_files import SIZE, MarkedFiles, marker
from ansible_collections.lustre.core.plugins.module_utils._run import Result
from ansible_collections.lustre.core.plugins.plugin_utils._device_looks import (
    marked_directories,
    marked_objects,
    unlooked,
)
from ansible_collections.lustre.core.plugins.plugin_utils._verify_report import verify_table
from tests.unit.fake_runner import load_transcript
from tests.unit.site_support import demo
from tests.unit.test_encryption_policy import POLICY

TABLE = "10.77.0.11@tcp:/fs1 /mnt/fs1 lustre rw 0 0\n"
VAULT, TOP = "/mnt/fs1/vault", "/mnt/fs1"
NAMES = ("0123456789abcdef", "fedcba9876543210")
SECRET, CONTROL = f"{VAULT}/.lustre-verify-{NAMES[0]}", f"{TOP}/.lustre-verify-{NAMES[1]}"
MARKS = ("1f" * 32, "7c" * 32)
FIDS = ("0x240000400:0x3:0x0", "0x240000400:0x24:0x0")
READ = ("lctl",)
DEVICES = "osd-ldiskfs.fs1-OST0000.mntdev=/dev/sdb\nosd-zfs.fs1-OST0001.mntdev=pool/ost1\n"
WRITTEN = {
    "directory": VAULT, "fsname": "fs1", "ost": 0, "size": SIZE, "fid": FIDS[0], "marker": MARKS[0],
    "control_fid": FIDS[1], "control_marker": MARKS[1],
}  # fmt: skip


def plain(mark):
    return (f"{mark}\n" * (SIZE // 64))[:SIZE]


# ---- where an object lies --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fid", "path"),
    [
        ("0x240000400:0x3:0x0", "O/240000400/d3/3"),
        ("0x280000401:0x5:0x0", "O/280000401/d5/5"),
        ("[0x240000400:0x2a:0x0]", "O/240000400/d10/2a"),
        ("0x0:0x2a:0x0", "O/0/d10/42"),
        ("0x100000000:0x2a:0x0", "O/0/d10/42"),
        ("0x100010001:0x2:0x0", f"O/0/d2/{(1 << 32) + 2}"),
    ],
)
def test_the_path_of_an_object(fid, path):
    assert debugfs.object_path(fid) == path


@pytest.mark.parametrize(
    "fid", ["", "3", "0x1:0x2:0x0", "0x240000400:0x3:0x1", "0x240000400:0x3", "O/0/d1/1", "0x240000400:0x3:0x0 x"]
)
def test_no_other_path_is_ever_given_to_debugfs(fid):
    with pytest.raises(UnknownOutput):
        debugfs.object_path(fid)


@given(seq=st.integers(0x200000000, (1 << 64) - 1), oid=st.integers(0, (1 << 32) - 1))
def test_a_path_is_one_word_of_debugfs(seq, oid):
    assert re.fullmatch(r"O/[0-9a-f]+/d(?:[12]?\d|3[01])/[0-9a-f]+", debugfs.object_path(f"0x{seq:x}:0x{oid:x}:0x0"))


def test_objects_as_lfs_showed_them():
    shown = {
        name: lfs.parse_stripes(load_transcript(f"layout/gs-{name}-y").out) for name in ("plain", "pfl", "dom", "flr")
    }
    assert shown["plain"] == [(0, "0x240000400:0x3:0x0"), (1, "0x280000401:0x5:0x0")]
    assert shown["pfl"] == [(0, "0x240000400:0x4:0x0")] and shown["dom"] == []
    assert shown["flr"][0] == (1, "0x280000401:0x7:0x0") and len(shown["flr"]) == 2


@pytest.mark.parametrize(
    "text",
    [
        "", "nonsense", "lmm_stripe_count:  2\nlmm_objects:\n      - l_ost_idx: 0\n        l_fid:     0x240000400:0x3:0x0\n",
        "lmm_stripe_count:  1\nlmm_objects:\n      - l_ost_idx: 0\n        l_fid:     here\n",
    ],
)  # fmt: skip
def test_objects_that_are_not_all_there_stop(text):
    with pytest.raises(UnknownOutput):
        lfs.parse_stripes(text)


# ---- debugfs ---------------------------------------------------------------------------------


def dumped(fake, name):
    said = load_transcript(f"mkfs/{name}")
    assert said.rc == 0, "debugfs says nothing by its exit code"
    return debugfs.dump(
        fake([(("debugfs", "-c", "-R", "dump O/1/d1/1 /run/c", "/dev/sdb"), said)]), "/dev/sdb", "O/1/d1/1", "/run/c"
    )


def test_what_debugfs_says(fake):
    assert dumped(fake, "debugfs-dump") is True
    assert dumped(fake, "debugfs-dump-missing") is False


@pytest.mark.parametrize("name", ["nodevice", "nofs", "nowrite"])
def test_what_debugfs_complains_of_is_an_error(fake, name):
    with pytest.raises(ToolError, match="Could not read O/1/d1/1 on /dev/sdb"):
        dumped(fake, f"debugfs-dump-{name}")


def test_debugfs_that_is_not_there(fake):
    run = fake([(("debugfs", "-c", "-R", "dump O/1/d1/1 /run/c", "/dev/sdb"), ToolMissing("debugfs"))])
    with pytest.raises(ToolMissing, match="e2fsprogs, in the build for Lustre"):
        debugfs.dump(run, "/dev/sdb", "O/1/d1/1", "/run/c")


# ---- the client ------------------------------------------------------------------------------


def look(paths, **seen):
    answer = {path: {"exists": True, "mode": 0o40755, "uid": 0, "gid": 0, "real": path} for path in paths}
    for path in paths:
        answer[path].update(seen.get(path.rpartition("/")[2], {}))
    return fscrypt.argv("look", *paths), json.dumps({"directories": answer, "key_files": {}})


OPEN = {"policy": POLICY["A"], "key": 2, "own": True, "users": 1}


def made(path, mark, fid, ost=None, index=0):
    words = ("lfs", "setstripe", "-c", "1", *(() if ost is None else ("-i", str(ost))), path)
    shown = f"lmm_stripe_count:  1\nlmm_objects:\n      - l_ost_idx: {index}\n        l_fid:     {fid}\n"
    return [
        (words, ""),
        (
            ("dd", f"of={path}", "bs=1M", "iflag=fullblock", "conv=nocreat,notrunc,fsync", "status=none"),
            "",
            plain(mark),
        ),
        (("lfs", "getstripe", "-y", path), shown),
    ]


def client(run, directories=(VAULT,), table=TABLE):
    names, marks = iter(NAMES), iter(MARKS)
    return MarkedFiles.from_options(
        run,
        {"directories": list(directories)},
        read=lambda path: table,
        token=lambda: next(names),
        marker=lambda: next(marks),
    )


def test_two_files_on_one_ost(fake):
    calls = [look([VAULT, TOP], vault=OPEN), *made(SECRET, MARKS[0], FIDS[0]), *made(CONTROL, MARKS[1], FIDS[1], ost=0)]
    found = client(fake(calls)).write()
    assert found["healthy"] and found["objects"] == [WRITTEN] and found["files"] == [SECRET, CONTROL]
    assert found["notes"] == [] == found["looked"]


def test_the_other_file_lies_in_the_first_directory_that_is_not_encrypted(fake):
    path = f"{TOP}/a/b/c"
    seen = look([path, f"{TOP}/a/b", f"{TOP}/a", TOP], c=OPEN, b=OPEN)
    calls = [
        seen,
        *made(f"{path}/.lustre-verify-{NAMES[0]}", MARKS[0], FIDS[0]),
        *made(f"{TOP}/a/.lustre-verify-{NAMES[1]}", MARKS[1], FIDS[1], 0),
    ]
    assert client(fake(calls), [path]).write()["healthy"]


@pytest.mark.parametrize("table", ["", TABLE.replace("/mnt/fs1 ", f"{VAULT} "), "/dev/sda1 / ext4 rw 0 0\n"])
def test_what_lies_in_no_mount_is_not_touched(fake, table):
    found = client(fake([]), table=table).write()
    assert "it lies in no mounted Lustre file system" in found["problems"][0] and found["files"] == []


def test_no_directory_in_clear_is_no_proof_and_no_problem(fake):
    found = client(fake([look([VAULT, TOP], vault=OPEN, fs1=OPEN)])).write()
    assert found["healthy"] and found["files"] == [] == found["objects"] == found["checks"]
    assert found["notes"][0].startswith(f"{VAULT}: there is no unencrypted directory above it")


@pytest.mark.parametrize(
    ("seen", "says"),
    [({}, "it is not encrypted"), ({**OPEN, "key": 1}, "its key is not here")],
)
def test_what_is_not_open_is_not_written_to(fake, seen, says):
    found = client(fake([look([VAULT, TOP], vault=seen)])).write()
    assert says in found["problems"][0] and found["files"] == []


def test_what_was_made_is_named_whatever_happened_then(fake):
    secret, control = made(SECRET, MARKS[0], FIDS[0]), made(CONTROL, MARKS[1], FIDS[1], ost=0, index=5)
    seen = look([VAULT, TOP], vault=OPEN)
    full = (secret[1][0], Result(1, "", "dd: No space left on device\n"))
    found = client(fake([seen, secret[0], full])).write()
    assert found["files"] == [SECRET] and "No space left on device" in found["problems"][0]
    found = client(fake([seen, *secret, *control])).write()
    assert (
        found["files"] == [SECRET, CONTROL]
        and "was made on OST 5, not 0" in found["problems"][0]
        and found["objects"] == []
    )
    two = (secret[2][0], load_transcript("layout/gs-plain-y"))
    found = client(fake([seen, *secret[:2], two])).write()
    assert "it has 2 objects" in found["problems"][0]


def test_only_our_own_files_are_removed(fake):
    found = MarkedFiles(fake([(("rm", "-f", "--", SECRET), "")])).remove([SECRET, "/etc/passwd", f"{VAULT}/other"])
    assert len(found["problems"]) == 2 and all(
        "it is not the name of a test file" in text for text in found["problems"]
    )


def test_a_marker_is_like_no_other():
    assert len({marker() for _n in range(50)}) == 50 and re.fullmatch("[0-9a-f]{64}", marker())


# ---- the server ------------------------------------------------------------------------------


class Device:
    """What debugfs writes, by the path of an object; None where there is no such object."""

    def __init__(self, objects, devices=DEVICES):
        self.objects, self.devices, self.now, self.made = objects, devices, 0.0, []

    def __call__(self, argv, stdin=None, timeout=0.0):
        if argv == READ:
            return Result(0, self.devices, "")
        program, only, option, request, device = argv
        verb, path, copy = request.split(" ")
        assert (program, only, option, verb, device) == ("debugfs", "-c", "-R", "dump", "/dev/sdb")
        self.made.append(path)
        content = self.objects[path]
        if callable(content):
            content = content(self.now)
        if content is None:
            return Result(0, "", f"debugfs 1.47.0 (5-Feb-2023)\n{path}: File not found by ext2_lookup \n")
        assert os.stat(os.path.dirname(copy)).st_mode & 0o077 == 0, "others could read the copy"
        with open(copy, "wb") as stream:
            stream.write(content)
        return Result(0, "", "debugfs 1.47.0 (5-Feb-2023)\n")

    def sleep(self, seconds):
        self.now += seconds


CIPHERTEXT = os.urandom(SIZE)
SECRET_AT, CONTROL_AT = "O/240000400/d3/3", "O/240000400/d4/24"


def looked(device, tmp_path, objects=(WRITTEN,)):
    reader = DeviceBytes.from_options(
        device, {"objects": list(objects)}, sleep=device.sleep, clock=lambda: device.now, folder=str(tmp_path)
    )
    found = reader.look()
    assert not list(tmp_path.iterdir()), "a copy was left"
    return found


IN_CLEAR = plain(MARKS[1]).encode()


def device(secret=CIPHERTEXT, control=IN_CLEAR, devices=DEVICES):
    return Device({SECRET_AT: secret, CONTROL_AT: control}, devices)


def test_ciphertext(tmp_path):
    on = device()
    found = looked(on, tmp_path)
    assert found["healthy"] and found["notes"] == [] and found["looked"] == [f"fs1 {FIDS[0]}"]
    assert found["checks"] == [
        {
            "name": "ciphertext",
            "object": f"{VAULT} on fs1-OST0000",
            "ok": True,
            "wanted": "ciphertext",
            "found": "ciphertext",
        }
    ]
    assert on.made == [CONTROL_AT, SECRET_AT], "the proof of the look comes first"


def test_a_marker_in_clear_is_found_wherever_it_lies(tmp_path):
    for at in (0, 4093, SIZE - 64):
        data = CIPHERTEXT[:at] + MARKS[0].encode() + CIPHERTEXT[at + 64 :]
        found = looked(device(data), tmp_path)
        assert found["problems"][0].startswith(f"{VAULT} is not encrypted on the device of fs1-OST0000 (/dev/sdb)")


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (None, "is not there"),
        (b"", "has 0 bytes"),
        (CIPHERTEXT[:-4096], f"has {SIZE - 4096} bytes"),
        (bytes(SIZE), "holds zeros alone"),
    ],
)
def test_an_object_that_is_not_what_was_written_proves_nothing(tmp_path, data, says):
    found = looked(device(data), tmp_path)
    assert not found["healthy"] and "nothing is proven" in found["problems"][0] and says in found["problems"][0]


@pytest.mark.parametrize("control", [None, b"", CIPHERTEXT, plain(MARKS[0]).encode()])
def test_a_look_that_does_not_find_what_is_in_clear_proves_nothing(tmp_path, control):
    on = device(control=control)
    found = looked(on, tmp_path)
    assert not found["healthy"] and "the file in clear beside it was looked for" in found["problems"][0]
    assert SECRET_AT not in on.made and 20 <= on.now < 24, "it was not waited for"


def test_a_device_that_has_it_a_moment_later(tmp_path):
    control = plain(MARKS[1]).encode()
    assert looked(device(control=lambda now: control if now > 5 else bytes(SIZE)), tmp_path)["healthy"]


def test_debugfs_that_cannot_read_the_device_proves_nothing(fake, tmp_path):
    def run(argv, stdin=None, timeout=0.0):
        if argv == READ:
            return Result(0, DEVICES, "")
        return Result(
            0,
            "",
            "debugfs 1.47.0 (5-Feb-2023)\ndebugfs: Filesystem has unsupported feature(s) while trying to open /dev/sdb\n",
        )

    reader = DeviceBytes.from_options(run, {"objects": [WRITTEN]}, folder=str(tmp_path))
    found = reader.look()
    assert (
        "nothing is proven by the device of fs1-OST0000" in found["problems"][0]
        and "unsupported feature" in found["problems"][0]
    )


def test_zfs_is_told_and_never_counted(tmp_path):
    found = looked(device(), tmp_path, [{**WRITTEN, "ost": 1}])
    assert found["healthy"] and found["checks"] == [] and found["looked"] == [f"fs1 {FIDS[0]}"]
    assert found["notes"] == [
        f"{VAULT}: its bytes were not looked at, since fs1-OST0001 is on zfs, of which nothing here reads objects."
    ]


def test_targets_of_others_are_passed_over(tmp_path):
    found = looked(device(), tmp_path, [{**WRITTEN, "ost": 7}, {**WRITTEN, "fsname": "fs2"}])
    assert found["checks"] == [] == found["looked"] == found["notes"]


def test_a_node_that_tells_no_targets_is_an_error(tmp_path):
    with pytest.raises(ToolError, match="Could not see which targets run here"):
        looked(device(devices=""), tmp_path)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"ost": "0"}, "objects[0].ost: '0'"),
        ({"fid": ""}, "objects[0].fid: ''"),
        ({"size": None}, "objects[0].size: None"),
    ],
)
def test_objects_that_cannot_be_used(change, says):
    with pytest.raises(BadValue) as bad:
        DeviceBytes.from_options(None, {"objects": [{**WRITTEN, **change}]})
    assert says in str(bad.value)


# ---- together --------------------------------------------------------------------------------


def test_each_directory_is_written_to_by_one_client():
    usable = {"path": VAULT, "fsname": "fs1", "inside": "/vault"}
    results = {
        "server1": {"skipped": True},
        "client1": {"usable": [usable]},
        "client2": {"usable": [{**usable, "path": "/lustre/vault"}, {**usable, "inside": "/b", "path": "/lustre/b"}]},
        "client3": None,
    }
    assert marked_directories(results) == {"client1": [VAULT], "client2": ["/lustre/b"]}
    assert marked_objects({"client1": {"objects": [WRITTEN]}, "client2": None}) == [WRITTEN]


def test_what_no_server_looked_at_is_shown_as_not_proven():
    wrote = {"checks": [], "objects": [WRITTEN], "looked": []}
    ok = {"name": "health", "object": "x", "ok": True, "wanted": "", "found": ""}
    results = {"client1": [{"checks": [ok]}, wrote], "oss1": {"checks": [ok], "looked": []}}
    (note,) = unlooked(results)
    assert note["host"] == "client1" and "fs1-OST0000 runs on no server that answered" in note["text"]
    table = verify_table(demo().filesystems, results)
    assert f"Not proven:\n  client1: {VAULT}: its bytes were not looked at" in table and "Verdict: HEALTHY" in table
    results["oss1"]["looked"] = [f"fs1 {FIDS[0]}"]
    assert unlooked(results) == [] and "Not proven" not in verify_table(demo().filesystems, results)
