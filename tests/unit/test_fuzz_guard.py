"""The guard of every format, told nonsense: a device that holds something is never called blank."""

from __future__ import annotations

import errno
import json
from typing import Any

import pytest
from hypothesis import event, given
from hypothesis import strategies as st

from ansible_collections.lustre.core.plugins.module_utils._cli.devfiles import Ends
from ansible_collections.lustre.core.plugins.module_utils._errors import LustreError, Refused
from ansible_collections.lustre.core.plugins.module_utils._resources import blank
from ansible_collections.lustre.core.plugins.module_utils._resources.target import TargetResource
from ansible_collections.lustre.core.plugins.module_utils._run import Result
from tests.unit import target_support as support
from tests.unit.hypotheses import examples
from tests.unit.mutations import spoilt
from tests.unit.target_support import DISK, PATH, FakeFiles

MOUNTED = support.MOUNTINFO + f"90 29 8:48 / /srv rw - ext4 {PATH} rw\n"
SWAPPED = support.SWAPS + "/dev/sdd                               partition\t2097148\t\t0\t\t-2\n"
MDSTAT = "Personalities : [raid1]\nmd0 : active raid1 sdd[1] sda[0]\n      1046528 blocks\n"
UDEV = "/run/udev/data/b8:48"
#: What a device may hold, as everything that can see it says: texts by probe, and what a read of it gives.
HELD: dict[str, dict[str, Any]] = {
    "ext4": {
        "blkid": (0, f"DEVNAME={PATH}\nLABEL=home\nUUID=u\nTYPE=ext4\nUSAGE=filesystem\n", ""),
        "wipefs": '{"signatures": [\n {"device": "scsi-ost3", "offset": "0x438", "type": "ext4", "uuid": "u", "label": "home"}\n]}\n',
        UDEV: "E:ID_FS_TYPE=ext4\n",
        "content": 1080,
    },
    "mounted": {"blkid": (0, f"DEVNAME={PATH}\nTYPE=ext4\n", ""), "/proc/self/mountinfo": MOUNTED, "content": errno.EBUSY},
    "swap": {"blkid": (0, f"DEVNAME={PATH}\nTYPE=swap\n", ""), "/proc/swaps": SWAPPED, "content": errno.EBUSY},
    "raid member": {"blkid": (0, f"DEVNAME={PATH}\nTYPE=linux_raid_member\n", ""), "/proc/mdstat": MDSTAT, "content": errno.EBUSY},
    "partitions": {
        "blkid": (0, f"DEVNAME={PATH}\nPTUUID=u\nPTTYPE=gpt\n", ""),
        "lsblk": {"pttype": "gpt", "children": [support.lsblk_row("sdd1", "8:49", type="part")]},
        "content": 446,
    },
    "multipath member": {UDEV: "E:DM_MULTIPATH_DEVICE_PATH=1\n", "lsblk": {"fstype": "mpath_member"}, "content": errno.EBUSY},
    "data": {"content": 0},
}  # fmt: skip
#: The probes that are texts; ``content`` is a read of the device itself, which nobody garbles.
TEXTS = (
    "blkid",
    "wipefs",
    "lsblk",
    "tunefs",
    "/proc/self/mountinfo",
    "/proc/swaps",
    "/proc/mdstat",
    UDEV,
    "uevent",
    "size",
    "ro",
)
SYS = "/sys/dev/block/8:48"


class Node:
    """One disk as all probes see it; ``spoil`` replaces what some of them say."""

    def __init__(self, held: dict[str, Any]) -> None:
        self.files = FakeFiles()
        self.files.add_disk(*DISK)
        row = support.lsblk_row("sdd", "8:48", **held.get("lsblk", {}))
        self.said: dict[str, Result] = {
            "blkid": Result(*held.get("blkid", (2, "", ""))),
            "wipefs": Result(0, held.get("wipefs", support.NO_SIGNATURE), ""),
            "lsblk": Result(0, json.dumps({"blockdevices": [row]}, indent=1), ""),
            "tunefs": support.NOT_LUSTRE,
        }
        self.files.texts.update({path: text for path, text in held.items() if path.startswith("/")})
        content = held.get("content")
        self.files.contents[PATH] = OSError(content, "busy") if content == errno.EBUSY else Ends(support.GIB, content)

    def text(self, probe: str) -> str:
        if probe in self.said:
            result = self.said[probe]
            return result.out or result.err
        found = self.files.texts.get(f"{SYS}/{probe}" if "/" not in probe else probe, "")
        return str(found)

    def spoil(self, probe: str, text: str, rc: int | None = None) -> None:
        if probe in self.said:
            old = self.said[probe]
            self.said[probe] = Result(
                old.rc if rc is None else rc,
                text if old.out or not old.err else "",
                text if old.err and not old.out else "",
            )
        else:
            self.files.texts[f"{SYS}/{probe}" if "/" not in probe else probe] = text

    def __call__(self, argv: Any, stdin: Any = None, timeout: float = 0.0) -> Result:
        if argv[0] == "debugfs":
            return support.NO_MOUNTDATA
        return self.said["tunefs" if argv[0] == "tunefs.lustre" else argv[0]]

    def blank(self) -> bool:
        return blank.judge(blank.gather([PATH], self, self.files)[PATH]) == ()

    def formats(self) -> bool:
        """Does the whole resource plan a format?"""
        want = {
            "label": "fs1-OST0003",
            "kind": "ost",
            "fsname": "fs1",
            "index": 3,
            "device": PATH,
            "mgs_nids": [["10.77.0.11@tcp"]],
            "format": True,
        }
        made = TargetResource.from_options([want], files=self.files)
        try:
            return any(step.destructive for step in made.plan(made.have(self)).steps)
        except LustreError as error:
            assert str(error)
            return False


def test_the_disk_is_blank_before_anybody_spoils_it() -> None:
    """Else everything below would hold for a guard that always says no."""
    assert Node({}).blank() and Node({}).formats()


@pytest.mark.parametrize("held", HELD)
def test_what_is_held_is_seen(held: str) -> None:
    assert not Node(HELD[held]).blank() and not Node(HELD[held]).formats()


@pytest.mark.parametrize("held", HELD)
def test_a_held_device_is_never_blank_however_its_probes_are_garbled(held: str) -> None:
    """One or two probes say anything at all, with any exit code; what a read of the device gives stands against it."""

    @examples(40)
    @given(data=st.data())
    def run(data: st.DataObject) -> None:
        node = Node(HELD[held])
        for probe in data.draw(st.lists(st.sampled_from(TEXTS), min_size=1, max_size=2, unique=True)):
            text = node.text(probe)
            node.spoil(
                probe, data.draw(spoilt((text or "x\n", "", "{}\n"))), data.draw(st.sampled_from([None, None, 0, 1, 2]))
            )
        assert not node.blank() and not node.formats()

    run()


@examples(200)
@given(probe=st.sampled_from(TEXTS), data=st.data())
def test_a_blank_device_whose_probe_is_garbled_is_blank_only_if_the_answer_still_says_so(
    probe: str, data: st.DataObject
) -> None:
    node = Node({})
    text = data.draw(spoilt((node.text(probe) or "x\n",)))
    rc = data.draw(st.sampled_from([None, None, None, 0, 1, 2, 4, 8]))
    before = node.said.get(probe)
    node.spoil(probe, text, rc)
    if not node.blank():
        event(f"{probe}: refused")
        return
    event(f"{probe}: still blank")
    after = node.said.get(probe)
    if probe == "blkid":
        assert after is not None and (after.rc, after.out.strip(), after.err.strip()) == (2, "", "")
    elif probe == "wipefs":
        assert after is not None and after.rc == 0 and json.loads(after.out) == {"signatures": []}
    elif probe == "lsblk":
        assert after is not None and after.rc == 0
        row = next(row for row in json.loads(after.out)["blockdevices"] if row["maj:min"].strip() == "8:48")
        assert not row["fstype"] and not row["pttype"] and not any(row["mountpoints"]) and not row.get("children")
        assert int(row["size"]) == support.GIB and row["kname"] == "sdd"
    elif probe == "/proc/swaps":
        assert text.startswith("Filename")
    elif probe == "/proc/mdstat":
        assert text.startswith("Personalities")
    elif probe == "size":
        assert int(text) == support.GIB // 512
    elif probe == "ro":
        assert int(text) == 0
    elif probe == "uevent":
        assert "DEVNAME=sdd" in text.splitlines()
    elif probe == "tunefs":
        assert before is not None


@examples(100)
@given(
    text=spoilt((support.NOT_LUSTRE.out + support.NOT_LUSTRE.err, support.dryrun())),
    rc=st.sampled_from([0, 1, 2, 19]),
    both=st.booleans(),
)
def test_only_the_whole_sentence_of_tunefs_means_no_target(text: str, rc: int, both: bool) -> None:
    """A target's device: whatever tunefs.lustre prints instead of it, nothing is formatted."""
    node = Node({**HELD["ext4"]})
    node.said["tunefs"] = Result(rc, text, text if both else "")
    assert not node.formats()
    other = Node({})
    other.said["tunefs"] = Result(rc, text, text if both else "")
    if other.formats():
        assert rc == 19 and both and "has not been formatted with mkfs.lustre" in text


def test_a_refusal_of_a_garbled_probe_says_which_one() -> None:
    node = Node({})
    node.spoil("wipefs", "Segmentation fault\n")
    with pytest.raises(Refused, match="wipefs"):
        blank.require_blank(blank.gather([PATH], node, node.files)[PATH], "format it")
