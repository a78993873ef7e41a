"""Mounts: from what is mounted and written down to the steps, and what guards each of them."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest
import yaml

from ansible_collections.lustre.core.plugins.module_utils._cli.holders import Holder
from ansible_collections.lustre.core.plugins.module_utils._cli.waiting import Waiting
from ansible_collections.lustre.core.plugins.module_utils._engine import converge
from ansible_collections.lustre.core.plugins.module_utils._errors import (
    BadValue,
    NotConverged,
    Refused,
    ToolError,
    ToolTimeout,
)
from ansible_collections.lustre.core.plugins.module_utils._resources.mount import MountResource
from tests.unit.mount_support import MountedNode

_SHORT = {
    "$boot": "$net,$wait",
    "$net": "_netdev,nofail,x-systemd.requires=lnet.service",
    "$wait": "retry=12,x-systemd.mount-timeout=1800",
    "$mgs": "10.0.0.1@tcp:10.0.0.2@tcp",
    "$after:": "x-systemd.after=",
    "$shown": "checksum,encrypt,flock,lazystatfs,lruresize,nolock,statfs_project,nouser_fid2path,nouser_xattr,verbose",
}


def cases():
    text = (Path(__file__).parent / "cases" / "mount_plan.yml").read_text(encoding="utf-8")
    for short, long in _SHORT.items():
        text = text.replace(short, long)
    return yaml.safe_load(text)


DATA = cases()
CASES = {case["name"]: case for case in DATA["cases"]}
NIDS = (("lctl", "list_nids"), "10.0.0.21@tcp\n")
PING = (("lctl", "ping", "10.0.0.1@tcp", "10"), "12345-0@lo\n12345-10.0.0.1@tcp\n")
PING_FAILS = (113, "failed to ping 10.0.0.1@tcp: No route to host\n", "")


def node_of(case):
    return MountedNode(
        case.get("table", ()),
        case.get("fstab", ()),
        case.get("missing", ()),
        case.get("real"),
        case.get("systemd", True),
    )


def shown(step):
    return f"{step.action} {shlex.join(step.argv) if step.argv else step.write.path}"


def calls_of(case):
    """What a real run of the plan calls: the MGS asked right before a mount (and before an unmount that precedes one), then the step."""
    calls = []
    asking = {want["path"] for want in case["want"] if want.get("mgs_nids")}
    steps = [split(step) for step in case["steps"]]
    coming_back = {argv[-1] for action, argv in steps if action == "mount"}
    for action, argv in steps:
        if action == "mount" or (action == "unmount" and argv[-1] in coming_back):
            calls += [NIDS, PING] if argv[-1] in asking else [NIDS]
        if action != "persist":
            calls.append((argv, ""))
    return calls


def split(step):
    action, _blank, command = step.removeprefix("stop ").partition(" ")
    return action, tuple(shlex.split(command))


@pytest.mark.parametrize("name", CASES)
def test_case(name, fake):
    case = CASES[name]
    node = node_of(case)
    resource = MountResource.from_options(case["want"], local=node.local())
    if "refused" in case:
        with pytest.raises(Refused) as refused:
            converge(resource, fake([]), check_mode=True)
        assert all(words in str(refused.value) for words in case["refused"]), str(refused.value)
        return
    checked = converge(resource, fake([]), check_mode=True)
    assert [shown(step) for step in checked.plan.steps] == case["steps"]
    assert [f"{drift.found} -> {drift.wanted}" for drift in checked.plan.drift] == case.get("drift", [])
    if "disruptive" in case:
        assert [shlex.join(step.argv) for step in checked.plan.steps if step.disruptive] == case["disruptive"]
    assert not any(step.destructive for step in checked.plan.steps)

    real = converge(resource, node.around(fake(calls_of(case))), write=node.write)
    assert real.plan.steps == checked.plan.steps
    if "fstab_after" in case:
        assert node.fstab.splitlines() == case["fstab_after"]

    again = converge(resource, fake([]), write=node.write)
    assert not again.changed


@pytest.mark.parametrize("case", DATA["bad"], ids=lambda case: "-".join(case["says"]))
def test_unusable_value(case):
    with pytest.raises(BadValue) as bad:
        MountResource.from_options([case["mount"]])
    assert all(words in str(bad.value) for words in case["says"]), str(bad.value)


def test_two_mounts_of_one_path_or_device():
    client, ost = DATA["client"], DATA["ost"]
    with pytest.raises(BadValue, match=r"mounts\[1\]\.path: /mnt/fs1 is that of mounts\[0\]"):
        MountResource.from_options([client, client])
    with pytest.raises(BadValue, match=r"mounts\[1\]\.device"):
        MountResource.from_options([ost, {**ost, "path": "/mnt/other"}])


def mounting(node, want=None):
    return MountResource.from_options([want or DATA["client"]], local=node.local())


def persisted(line="client_line", **more):
    return MountedNode(fstab_lines=[DATA[line]], **more)


def test_no_mount_without_an_answer_of_the_mgs(fake):
    node = persisted()
    down = (("lctl", "ping", "10.0.0.1@tcp", "10"), PING_FAILS)
    silent = (("lctl", "ping", "10.0.0.2@tcp", "10"), ToolTimeout("ping", ("lctl",), 45, False))
    with pytest.raises(Refused) as refused:
        converge(mounting(node), fake([NIDS, down, silent, down, silent]))
    text = str(refused.value)
    assert "10.0.0.1@tcp: failed to ping 10.0.0.1@tcp: No route to host (exit code 113)" in text
    assert "10.0.0.2@tcp: no answer within 45 s" in text
    assert "988" in text and "lnetctl route show" in text and "10.0.0.21@tcp" in text
    assert node.slept > 0


def test_the_second_mgs_node_is_enough(fake):
    node = persisted()
    runner = fake([
        NIDS, (PING[0], PING_FAILS), (("lctl", "ping", "10.0.0.2@tcp", "10"), ""),
        (("mount", "-t", "lustre", "10.0.0.1@tcp:10.0.0.2@tcp:/fs1", "/mnt/fs1"), ""),
    ])  # fmt: skip
    assert converge(mounting(node), node.around(runner)).changed
    assert runner.timeouts[-1] == 300


def test_the_node_itself_counts_only_with_its_mgs_up(fake, transcript):
    own = (("lctl", "list_nids"), "10.0.0.1@tcp\n")
    target = (("mount", "-t", "lustre", "/dev/disk/by-id/ost3", "/lustre/fs1/ost0003"), "")
    node = persisted("ost_line")
    here = fake([own, (("lctl", "dl"), transcript("mount/lctl-dl")), target])
    assert converge(mounting(node, DATA["ost"]), node.around(here)).changed
    other = (("lctl", "ping", "10.0.0.2@tcp", "10"), PING_FAILS)
    none = (("lctl", "dl"), transcript("shutdown/dl-empty"))
    with pytest.raises(Refused, match="this is the node itself, and no MGS runs here"):
        converge(mounting(persisted("ost_line"), DATA["ost"]), fake([own, none, other, none, other]))


def test_no_mount_without_lnet(fake, transcript):
    unconfigured = (("lctl", "list_nids"), transcript("lnet/lctl-list_nids-unconfigured"))
    for want in (
        DATA["client"],
        {"kind": "target", "path": "/lustre/mgs", "device": "/dev/disk/by-id/m", "label": "MGS"},
    ):
        node = MountedNode(fstab_lines=[DATA["client_line"]])
        node.fstab += "/dev/disk/by-id/m /lustre/mgs lustre _netdev,nofail,x-systemd.requires=lnet.service,retry=12,x-systemd.mount-timeout=1800 0 0\n"
        with pytest.raises(Refused, match="LNet is not configured on this node"):
            converge(mounting(node, want), fake([unconfigured]))


def test_a_device_that_is_not_there(fake):
    with pytest.raises(Refused, match="there is no device /dev/disk/by-id/ost3"):
        converge(mounting(persisted("ost_line", absent=["/dev/disk/by-id/ost3"]), DATA["ost"]), fake([]))


def test_a_mount_without_an_answer_explains_itself(fake):
    argv = ("mount", "-t", "lustre", "/dev/disk/by-id/ost3", "/lustre/fs1/ost0003")
    hang = (argv, ToolTimeout("run mount", argv, 300, still_running=True))
    with pytest.raises(ToolTimeout) as late:
        converge(mounting(persisted("ost_line"), DATA["ost"]), fake([NIDS, PING, hang]))
    text = str(late.value)
    assert text.startswith("Could not mount fs1-OST0003 on /lustre/fs1/ost0003")
    assert "cannot be killed" in text and "Do not start it again" in text
    assert late.value.facts()["still_running"] is True


@pytest.mark.parametrize(
    ("recording", "says"),
    [
        ("mount/mount-client-badfs", "does not know this file system"),
        ("mount/mount-client-badopt", "check the mount options"),
        ("mount/mount-client-badspec", "carries no Lustre target"),
        ("mount/mount-mdt0-again", "mounted already"),
        ("mount/mount-mdt0-elsewhere", "running on this node already"),
        ("mount/mount-nodir", "mount point is missing"),
        ("mount/mount-ost1", "mount(8) refused the call itself"),
    ],
)
def test_what_a_failed_mount_says(recording, says, fake, transcript):
    argv = ("mount", "-t", "lustre", "10.0.0.1@tcp:10.0.0.2@tcp:/fs1", "/mnt/fs1")
    with pytest.raises(ToolError) as failed:
        converge(mounting(persisted()), fake([NIDS, PING, (argv, transcript(recording))]))
    assert says in str(failed.value), str(failed.value)
    assert failed.value.facts()["rc"] == transcript(recording).rc


def test_a_missing_key_and_a_used_index_are_named(fake):
    argv = ("mount", "-t", "lustre", "10.0.0.1@tcp:10.0.0.2@tcp:/fs1", "/mnt/fs1")
    for rc, said, says in (
        (
            126,
            "mount.lustre: mount x at /mnt/fs1 failed: Required key not available",
            "a key that this node does not have",
        ),
        (98, "mount.lustre: mount x at /mnt/fs1 failed: Address already in use", "given an index in use"),
        (32, "mount: /mnt/fs1: unknown filesystem type 'lustre'.", "mount.lustre is installed"),
        (5, "mount.lustre: mount x at /mnt/fs1 failed: Input/output error\nIs the MGS running?", "MGT is mounted"),
    ):
        with pytest.raises(ToolError) as failed:
            converge(mounting(persisted()), fake([NIDS, PING, (argv, (rc, "", said))]))
        assert says in str(failed.value)


GOING = {**DATA["client"], "state": "unmounted", "unmount": True}


def test_a_busy_unmount_names_the_holder_and_changes_nothing(fake):
    holder = Holder(4711, "python3 train.py", "alice", "/mnt/fs1/data/x")
    node = persisted(table=[DATA["client_live"]], held={"/mnt/fs1": [holder]})
    with pytest.raises(Refused) as refused:
        converge(mounting(node, GOING), fake([]))
    assert "process 4711 (python3 train.py) of alice: /mnt/fs1/data/x" in str(refused.value)
    assert node.table == [DATA["client_live"]]


def test_a_mount_below_holds_it_too(fake):
    node = persisted(table=[DATA["client_live"], "tmpfs /mnt/fs1/scratch tmpfs rw 0 0"])
    with pytest.raises(Refused, match="/mnt/fs1/scratch is mounted below it"):
        converge(mounting(node, GOING), fake([]))


def test_busy_although_nobody_is_seen(fake, transcript):
    node = persisted(table=[DATA["client_live"]])
    with pytest.raises(ToolError) as failed:
        converge(mounting(node, GOING), fake([(("umount", "/mnt/fs1"), transcript("shutdown/umount-busy"))]))
    assert "NFS or Samba export" in str(failed.value)


def test_busy_by_who_waits_inside_the_kernel(fake, transcript):
    """What a call that never returned holds stands in no link of /proc."""
    node = persisted(table=[DATA["client_live"]])
    node.waiting = [Waiting(4712, "ls /mnt/fs1", "alice", 2001, 312.4)]
    with pytest.raises(ToolError) as failed:
        converge(mounting(node, GOING), fake([(("umount", "/mnt/fs1"), transcript("shutdown/umount-busy"))]))
    told = str(failed.value)
    assert "one waits inside the kernel" in told and "process 4712 (ls /mnt/fs1) of alice, begun 312 s ago." in told
    assert "no ticket frees them" in told and "kill 4712, and run again" in told and "umount -f" in told
    assert node.table == [DATA["client_live"]]


def test_never_unmounted_for_a_remount_while_the_mgs_is_silent(fake):
    node = MountedNode(table=[DATA["client_live"]])
    want = {**DATA["client"], "options": ["localflock"], "remount": True}
    both = [(("lctl", "ping", nid, "10"), PING_FAILS) for nid in ("10.0.0.1@tcp", "10.0.0.2@tcp")]
    with pytest.raises(Refused):
        converge(mounting(node, want), fake([NIDS, *both, *both]), write=node.write)
    assert node.table == [DATA["client_live"]]


def test_a_mount_that_says_yes_and_does_nothing(fake):
    argv = ("mount", "-t", "lustre", "10.0.0.1@tcp:10.0.0.2@tcp:/fs1", "/mnt/fs1")
    with pytest.raises(NotConverged, match="it is not mounted"):
        converge(mounting(persisted()), fake([NIDS, PING, (argv, "")]))


def test_state_names_what_is_there(fake):
    node = MountedNode(table=[DATA["client_live"]], fstab_lines=[DATA["client_line"]])
    state = converge(
        MountResource.from_options([DATA["client"], DATA["ost"]], local=node.local()), fake([]), check_mode=True
    ).after
    ost, client = state["mounts"]
    assert (client["state"], client["name"], client["fstab"]) == ("mounted", "fs1", DATA["client_line"])
    assert "flock" in client["options"] and client["source"] == "10.0.0.1@tcp:10.0.0.2@tcp:/fs1"
    assert (ost["state"], ost["source"], ost["options"], ost["fstab"]) == ("unmounted", None, [], None)


# -- fstab: a line only for what is proven, nothing lost ----------------------------------------------------------------

MGT = {"kind": "target", "path": "/lustre/mgs", "device": "/dev/disk/by-id/mgt", "label": "MGS"}
MDT = {
    "kind": "target", "path": "/lustre/fs1/mdt0000", "device": "/dev/disk/by-id/mdt0", "label": "fs1-MDT0000",
    "mgs_nids": DATA["mgs"],
}  # fmt: skip
RELOAD = (("systemctl", "daemon-reload"), "")


def mount_call(want, answer=""):
    return (("mount", "-t", "lustre", want["device"], want["path"]), answer)


def test_a_mount_that_fails_leaves_no_line_and_those_before_it_have_theirs(fake):
    node = MountedNode()
    failed = mount_call(
        DATA["ost"], (5, "", "mount.lustre: mount /dev/sdd at /lustre/fs1/ost0003 failed: Input/output error")
    )
    calls = [NIDS, mount_call(MGT), NIDS, PING, mount_call(MDT), NIDS, PING, failed]
    with pytest.raises(ToolError):
        converge(
            MountResource.from_options([DATA["ost"], MDT, MGT], local=node.local()),
            node.around(fake(calls)),
            write=node.write,
        )
    assert [line.split()[1] for line in node.fstab.splitlines()] == ["/lustre/mgs", "/lustre/fs1/mdt0000"]


def test_a_silent_mgs_leaves_no_line(fake):
    node = MountedNode()
    down = [(("lctl", "ping", nid, "10"), PING_FAILS) for nid in ("10.0.0.1@tcp", "10.0.0.2@tcp")]
    with pytest.raises(Refused):
        converge(mounting(node), fake([NIDS, *down, *down]), write=node.write)
    assert node.fstab == ""


def test_a_run_killed_between_a_mount_and_its_line_is_finished_by_the_next(fake):
    node = MountedNode(table=[DATA["ost_live"]], real={DATA["ost"]["device"]: "/dev/sdd"})
    plan = converge(mounting(node, DATA["ost"]), node.around(fake([RELOAD])), write=node.write).plan
    assert [step.action for step in plan.steps] == ["persist", "reload"]
    assert node.fstab == DATA["ost_line"] + "\n"


def test_a_mount_that_says_yes_and_does_nothing_gets_no_line(fake):
    node = MountedNode()
    argv = ("mount", "-t", "lustre", "10.0.0.1@tcp:10.0.0.2@tcp:/fs1", "/mnt/fs1")
    with pytest.raises(Refused, match="said that it worked, but nothing of Lustre is mounted at /mnt/fs1"):
        converge(mounting(node), fake([NIDS, PING, (argv, "")]), write=node.write)
    assert node.fstab == ""


def test_what_somebody_writes_into_fstab_while_a_mount_takes_its_time_is_kept(fake):
    node = MountedNode()
    around = node.around(fake([NIDS, PING, mount_call(DATA["ost"])]))

    def run(argv, stdin=None, timeout=120.0):
        if argv[0] == "mount":
            node.fstab = "tmpfs /scratch tmpfs defaults 0 0\n"
        return around(argv, stdin, timeout)

    with pytest.raises(Refused, match="somebody else changed it since this run began"):
        converge(mounting(node, DATA["ost"]), run, write=node.write)
    assert node.fstab == "tmpfs /scratch tmpfs defaults 0 0\n"


def whole():
    """A server that is a client, too, as one run with all its mounts leaves it."""
    return [MGT, MDT, DATA["ost"], DATA["client"]]


def lines_of(wants, node):
    plan = MountResource.from_options(wants, local=node.local())
    writes = [step.write for step in plan.plan(plan.have(None)).steps if step.write is not None]
    return writes[-1].content if writes else node.fstab


@pytest.mark.parametrize("named", [[0], [1], [2], [3], [1, 2], [2, 3], [0, 3]])
def test_a_call_that_names_some_mounts_leaves_the_order_of_all(named):
    node = MountedNode()
    node.fstab = lines_of(whole(), node)
    assert node.fstab.count("x-systemd.after=") == 5
    before = sorted(node.fstab.splitlines())
    some = [{**want, "state": "present"} for number, want in enumerate(whole()) if number in named]
    assert sorted(lines_of(some, node).splitlines()) == before


def test_a_client_that_is_named_alone_comes_after_the_targets_that_fstab_has():
    node = MountedNode(
        fstab_lines=[
            DATA["ost_line"],
            "/dev/disk/by-id/b /lustre/b lustre noauto 0 0",
            "/dev/sdb /srv ext4 defaults 0 2",
        ]
    )
    line = lines_of([DATA["client"]], node).splitlines()[-1]
    assert [word for word in line.split()[3].split(",") if "after" in word] == [
        "x-systemd.after=lustre-fs1-ost0003.mount"
    ]


def test_a_target_that_is_named_alone_comes_after_the_mgs_that_is_mounted():
    mgs = "/dev/vdb /lustre/mgs lustre rw,svname=MGS,nosvc,mgs,osd=osd-ldiskfs 0 0"
    node = MountedNode(table=[mgs], fstab_lines=["/dev/disk/by-id/mgt /lustre/mgs lustre nofail 0 0"])
    assert lines_of([DATA["ost"]], node).splitlines()[-1].split()[3].endswith(",x-systemd.after=lustre-mgs.mount")


def test_an_order_after_a_mount_that_fstab_no_longer_has_goes(fake):
    node = MountedNode(fstab_lines=[DATA["ost_line"].replace(" 0 0", ",x-systemd.after=lustre-mgs.mount 0 0")])
    assert lines_of([DATA["ost"]], node) == DATA["ost_line"] + "\n"


def test_something_mounted_over_it_since_the_plan_is_not_unmounted(fake):
    node = MountedNode(table=[DATA["client_live"]], fstab_lines=[DATA["client_line"]])
    resource = MountResource.from_options([GOING], local=node.local())
    plan = resource.plan(resource.have(fake([])))
    node.table.append("/dev/sdz /mnt/fs1 ext4 rw 0 0")
    with pytest.raises(Refused, match=r"/dev/sdz \(type ext4\) is mounted at /mnt/fs1 now"):
        resource.check_step(plan.steps[0], fake([]))
