"""node_info and site_info: recorded nodes, nodes without anything, nodes on which programs fail."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.lustre.core.plugins.module_utils._cli import lfs, modules
from ansible_collections.lustre.core.plugins.module_utils._errors import (
    LustreError,
    ToolError,
    ToolMissing,
    ToolTimeout,
    UnknownOutput,
)
from ansible_collections.lustre.core.plugins.module_utils._readers import node_info, site_info
from tests.unit.fake_runner import load_transcript

OS_RELEASE = 'PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\nID=debian\nVERSION_ID="12"\n'
MODINFO = ("modinfo", *modules.CLIENT, *modules.SERVER)
NET_SHOW = ("lnetctl", "net", "show", "-v")
ROUTING = ("lnetctl", "routing", "show")
VERSION = ("lctl", "--version")


def inspector(run, mounts="", kernel="6.1.0-56-amd64", **options):
    files = {"/proc/self/mounts": mounts, "/etc/os-release": OS_RELEASE}
    return node_info.Inspector(run, read=lambda path: files.get(path, ""), kernel=kernel, hostname="oss1", **options)


def module_text(name, kernel="6.1.0-56-amd64", folder="updates"):
    return (
        f"filename:       /lib/modules/6.1.0-56-amd64/{folder}/{name}.ko\nversion:        2.17.0\n"
        f"name:           {name}\nvermagic:       {kernel} SMP preempt mod_unload modversions \n"
    )


def batch_of(*names):
    parts = [load_transcript(name).out for name in names]
    return parts[0] + "version=2.17.0_dirty\n" + "".join(parts[1:])


def test_a_server_that_is_client_too(fake, transcript):
    out = batch_of(
        "mount/lctl-dl", "params/health", "params/mgs-filesystems", "params/recovery_status", "params/imports"
    )
    out += (
        "osd-ldiskfs.lustre-MDT0000.kbytestotal=677008\nosd-ldiskfs.lustre-MDT0000.mntdev=/dev/vdb\n"
        "mdt.lustre-MDT0000.num_exports=6\nmgs.MGS.num_exports=1\n"
    )
    run = fake(
        [
            (("lctl",), out),
            (MODINFO, (1, module_text("lustre") + module_text("lnet"), "modinfo: ERROR: Module ofd not found.\n")),
            (VERSION, transcript("versions/lctl-version")),
            (NET_SHOW, transcript("lnet/net-show-v1")),
            (ROUTING, transcript("lnet/routing-show")),
        ]
    )
    node = inspector(run, transcript("mount/proc-mounts").out).node()
    assert run.count <= 6
    assert node["problems"] == []
    assert node["os"] == {"id": "debian", "version_id": "12", "pretty_name": "Debian GNU/Linux 12 (bookworm)"}
    assert (node["lustre"]["tools"], node["lustre"]["loaded"], node["lustre"]["modules_fit"]) == (
        "2.17.0_dirty",
        "2.17.0_dirty",
        True,
    )
    assert node["lnet"]["nids"] == ["10.0.2.15@tcp", "10.0.3.15@tcp1", "10.0.2.15@tcp2", "10.0.3.15@tcp3"]
    assert node["health"] == "healthy"
    assert node["mgs"] == {"running": True, "filesystems": ["foo", "nofs", "lustre"], "exports": 1}
    assert [
        (t["label"], t["kind"], t["index"], t["mgs"], t["device"], t["state"], t["ready"]) for t in node["targets"]
    ] == [
        ("lustre-MDT0000", "mdt", 0, True, "/dev/vdb", "UP", True),
        ("lustre-OST0000", "ost", 0, False, "/dev/vdd", "UP", True),
        ("lustre-OST0001", "ost", 1, False, "/dev/vde", "UP", True),
        ("lustre-MDT0001", "mdt", 1, False, "/dev/vdc", "UP", True),
    ]
    assert node["targets"][0]["capacity"]["total_kb"] == 677008
    assert node["targets"][0]["exports"] == 6
    assert {entry["state"] for entry in node["imports"]} == {"FULL", "IDLE"}
    assert all(entry["connected"] for entry in node["imports"])
    assert len(node["imports"]) == len({entry["name"] for entry in node["imports"]}), (
        "osc and osp of one device were told twice"
    )
    assert node["roles"] == ["mgs", "mds", "oss", "client"]
    assert node["filesystems"] == [{"name": "lustre", "mdts": [0, 1], "osts": [0, 1], "clients": ["/mnt/lustre"]}]
    assert node["mounts"][-1]["mgs_nids"] == [["10.0.2.15@tcp"]]
    assert len(node["devices"]) == 35


def test_a_node_without_modules(fake, transcript):
    err = transcript("versions/lctl-dl-nomodules").err + transcript("versions/get_param-version-nomodules").err
    run = fake(
        [
            (("lctl",), (2, "", err)),
            (MODINFO, (1, "", "modinfo: ERROR: Module lnet not found.\n")),
            (VERSION, transcript("versions/lctl-version")),
            (NET_SHOW, transcript("versions/lnetctl-net-show-nomodules")),
        ]
    )
    node = inspector(run).node()
    assert node["problems"] == []
    assert node["lustre"] == {
        "tools": "2.17.0_dirty",
        "loaded": "",
        "modules": [],
        "modules_missing": ["lnet", "lustre"],
        "modules_fit": False,
    }
    assert node["lnet"] == {"loaded": False, "up": False, "nids": [], "networks": [], "routing": False}
    assert (node["targets"], node["imports"], node["mounts"], node["roles"], node["health"]) == ([], [], [], [], "")


def test_a_node_without_lustre(fake):
    run = fake([(argv, ToolMissing(argv[0])) for argv in (("lctl",), MODINFO, VERSION, NET_SHOW)])
    node = inspector(run).node()
    assert [problem.split(" was not found")[0] for problem in node["problems"]] == [
        f"The program {name}" for name in ("lctl", "modinfo", "lnetctl")
    ]
    assert node["lustre"]["modules_fit"] is None
    assert node["lnet"]["up"] is False


def test_programs_that_hang_or_print_garbage_leave_the_rest(fake, transcript):
    run = fake(
        [
            (("lctl",), (0, "%%%\x00\n", "")),
            (MODINFO, module_text("lnet") + module_text("lustre")),
            (VERSION, ToolTimeout("run lctl", VERSION, 30, False)),
            (NET_SHOW, (139, "", "Segmentation fault")),
        ]
    )
    node = inspector(run, "one two three\n").node()
    assert len(node["problems"]) == 4
    assert node["lustre"]["modules_fit"] is True


@pytest.mark.parametrize(
    ("text", "fits"),
    [
        (module_text("lustre"), True),
        (module_text("lustre", "5.10.0-1-amd64"), False),
        (module_text("lustre", "5.10.0-1-amd64", "weak-updates"), True),
        (module_text("lustre", "6.1.0-56-amd64-rt"), False),
    ],
)
def test_modules_fit_the_kernel(text, fits):
    assert modules.parse(text)[0].fits("6.1.0-56-amd64") is fits


def test_recorded_modinfo(transcript):
    found = modules.parse(transcript("versions/modinfo-lustre").out)
    assert [(module.name, module.version) for module in found] == [("lustre", "2.17.0_dirty")]


def test_targets_in_trouble(transcript):
    """An OST in recovery, one that is mounted and not there, an MGT by itself."""
    dl = "  0 UP mgs MGS MGS 5\n  1 UP obdfilter fs1-OST000a fs1-OST000a_UUID 7\n"
    values = {
        "obdfilter.fs1-OST000a.recovery_status": "status: RECOVERING\ntime_remaining: 100",
        "osd-zfs.fs1-OST000a.mntdev": "p/ost10",
        "osd-ldiskfs.MGS.mntdev": "/dev/mgt",
    }
    table = node_info.mounts.parse_mounts(
        "p/ost10 /o10 lustre_tgt rw,svname=fs1-OST000a,osd=osd-zfs 0 0\n/dev/x /o11 lustre rw,"
        "svname=fs1-OST000b,osd=osd-ldiskfs 0 0\n/dev/mgt /mgs fuse.lustre rw 0 0\n"
    )
    targets = {
        target["label"]: target for target in node_info.targets_of(node_info.lctl.parse_devices(dl), table, values)
    }
    assert (targets["fs1-OST000a"]["index"], targets["fs1-OST000a"]["ready"], targets["fs1-OST000a"]["backend"]) == (
        10,
        False,
        "zfs",
    )
    assert targets["fs1-OST000a"]["recovery"]["time_remaining"] == "100"
    assert (targets["fs1-OST000b"]["state"], targets["fs1-OST000b"]["ready"]) == ("missing", False)
    assert (targets["MGS"]["kind"], targets["MGS"]["path"], targets["MGS"]["mgs"], targets["MGS"]["ready"]) == (
        "mgt",
        "/mgs",
        True,
        True,
    )


def test_parameters_asked_for(fake):
    out = "version=2.17.0\nosc.fs1-a.max_dirty_mb=5\nosc.fs1-b.max_dirty_mb=6\n"
    err = (
        "error: get_param: param_path 'no/such': No such file or directory\n"
        "error: read_param: '/sys/fs/lustre/mdt/fs1-MDT0000/evict_client': Permission denied\n"
    )
    stdin = (
        "ignore_errors\ndl\nget_param version osd-*.*.mntdev mgs.MGS.osd.mntdev osc.*.max_dirty_mb no.such "
        "mdt.fs1-MDT0000.evict_client\n"
    )
    run = fake([(("lctl",), (2, out, err), stdin)])
    node = inspector(
        run, gather=[], parameters=["osc/*/max_dirty_mb", "no.such", "mdt.fs1-MDT0000.evict_client"]
    ).node()
    assert node["parameters"] == [
        {
            "name": "osc/*/max_dirty_mb",
            "live": {"osc.fs1-a.max_dirty_mb": "5", "osc.fs1-b.max_dirty_mb": "6"},
            "unreadable": {},
        },
        {"name": "no.such", "live": {}, "unreadable": {}},
        {
            "name": "mdt.fs1-MDT0000.evict_client",
            "live": {},
            "unreadable": {"mdt.fs1-MDT0000.evict_client": "Permission denied"},
        },
    ]


def test_usage_of_client_mounts(fake, transcript):
    run = fake([(("lctl",), "version=2.17.0\n"), (("lfs", "df", "/mnt/lustre"), transcript("mount/lfs-df-mnt"))])
    node = inspector(run, transcript("mount/proc-mounts").out, gather=["usage"]).node()
    assert node["usage"][0]["total_kb"] == 2215744
    assert [target["label"] for target in node["usage"][0]["targets"]] == [
        "lustre-MDT0000",
        "lustre-MDT0001",
        "lustre-OST0000",
        "lustre-OST0001",
    ]


def test_usage_with_a_target_that_does_not_answer():
    usage = lfs.parse_df(
        "UUID  1K-blocks Used Available Use% Mounted on\nfs1-MDT0000_UUID  10 1 9 10% /mnt/fs1[MDT:0]\n"
        "fs1-OST0001_UUID : inactive device\n\nfilesystem_summary:   0 0 0 0% /mnt/fs1\n"
    )
    assert usage.inactive == {"fs1-OST0001": "inactive device"}
    assert usage.path == "/mnt/fs1"


def test_usage_of_something_else(fake, transcript):
    with pytest.raises(ToolError, match="Not a Lustre filesystem"):
        lfs.df(fake([(("lfs", "df", "/tmp"), transcript("mount/lfs-df-notlustre"))]), "/tmp")
    with pytest.raises(UnknownOutput):
        lfs.parse_df("")


def test_packages(fake):
    query = ("dpkg-query", "-W", "-f", "${Package}\t${Version}\t${db:Status-Abbrev}\n", *node_info._PACKAGES)
    run = fake(
        [(("lctl",), "version=2.17.0\n"), (query, "lustre-client-utils\t2.17.0-1\thi \nlustre-old\t2.15\trc \n")]
    )
    watcher = inspector(run, gather=["packages"])
    watcher.read = lambda path: "Package: x" if path == "/var/lib/dpkg/status" else ""
    assert watcher.node()["packages"] == {"lustre-client-utils": "2.17.0-1"}


SITE = (
    "ignore_errors\ndevice MGS\nllog_print params\nlist_nids\n"
    "get_param mgs.MGS.filesystems mgs.MGS.exports.*.uuid version\n"
)


def test_a_site(fake, transcript):
    exports = "mgs.MGS.exports.10.0.2.99@tcp.uuid=\nabc\nmgs.MGS.exports.10.0.2.15@tcp.uuid=\ndef\nmgs.MGS.exports.0@lo.uuid=\nghi\n"
    stored = "- { index: 3, event: set_param, device: general, parameter: osc.lustre-*.checksums, value: 0 }\n"
    first = (
        transcript("params/llog-params").out
        + stored
        + "10.0.2.15@tcp\n"
        + transcript("params/mgs-filesystems").out
        + exports
    )
    logs = "ignore_errors\ndevice MGS\nllog_print foo-client\nllog_print nofs-client\nllog_print lustre-client\n"
    run = fake([(("lctl",), first + "version=2.17.0\n", SITE), (("lctl",), transcript("params/llog-client"), logs)])
    site = site_info.site(run)
    assert [filesystem["name"] for filesystem in site["filesystems"]] == ["foo", "nofs", "lustre"]
    lustre = site["filesystems"][2]
    assert lustre["mgs"] == {"nids": [["10.0.2.15@tcp"]]}
    assert lustre["mdts"] == [
        {"index": 0, "label": "lustre-MDT0000", "service_nids": [["10.0.2.15@tcp"]]},
        {"index": 1, "label": "lustre-MDT0001", "service_nids": [["10.0.2.15@tcp"]]},
    ]
    assert [target["label"] for target in lustre["osts"]] == ["lustre-OST0000", "lustre-OST0001"]
    assert lustre["params"] == [{"name": "osc.lustre-*.checksums", "value": "0", "scope": "persistent"}]
    assert len(site["params"]) == 6
    assert len(site["general_params"]) == 5
    assert {"device": "lustre-client", "name": "llite.max_read_ahead_mb", "value": "32"} in site["conf_params"]
    assert (site["client_nids"], site["clients"]) == (["10.0.2.99@tcp"], 1)
    assert site["connected_nids"] == ["0@lo", "10.0.2.15@tcp", "10.0.2.99@tcp"]


def test_a_fresh_mgs(fake):
    err = "params: OBD_IOC_LLOG_PRINT failed: No such file or directory\n"
    site = site_info.site(fake([(("lctl",), (2, "10.0.2.15@tcp\nmgs.MGS.filesystems=\n", err), SITE)]))
    assert (site["filesystems"], site["params"], site["mgs_nids"]) == ([], [], ["10.0.2.15@tcp"])


def test_elsewhere_than_on_the_mgs(fake, transcript):
    err = transcript("params/gp-missing").err
    with pytest.raises(site_info.NotOnMgs, match=r"runs no MGS\. Run this on the node where the MGT is mounted now"):
        site_info.site(fake([(("lctl",), (2, "version=2.17.0\n", err))]))


def test_a_log_that_cannot_be_read(fake):
    err = "fs1-client: OBD_IOC_LLOG_PRINT failed: Input/output error\n"
    with pytest.raises(ToolError, match="fs1-client"):
        site_info.site(fake([(("lctl",), "mgs.MGS.filesystems=fs1\n"), (("lctl",), (5, "", err))]))


@pytest.mark.parametrize(
    "name", ["mount/lctl-dl", "params/imports", "mount/lfs-df-mnt", "versions/modinfo-lustre", "mount/proc-mounts"]
)
@given(data=st.data())
def test_damaged_output_never_crashes(name, data):
    text = load_transcript(name).out
    start = data.draw(st.integers(0, len(text)))
    damaged = text[:start] + data.draw(st.text(max_size=12)) + text[start + data.draw(st.integers(0, 40)) :]
    node = inspector(
        lambda argv, stdin=None, timeout=0: node_info.lctl.Result(0, damaged, ""),
        damaged,
        gather=list(node_info.SECTIONS),
    ).node()
    assert isinstance(node["problems"], list)
    for parse in (lfs.parse_df, modules.parse):
        try:
            parse(damaged)
        except LustreError:
            continue
