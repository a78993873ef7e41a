"""Each reader with real texts for it; ``test_fuzz_parsers.py`` fails when one has no case here.

A new parser gets one entry: how it is called with one text, and texts that it understands.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ansible_collections.lustre.core.plugins.module_utils import _nid, _units
from ansible_collections.lustre.core.plugins.module_utils._cli import (
    blockdev,
    debugfs,
    devfiles,
    dkms,
    exports,
    ext4,
    file_io,
    firewall,
    fscrypt,
    fstab,
    keyring,
    lctl,
    lctl_params,
    lfs,
    lgss_sk,
    libext2fs,
    llog,
    lnetctl,
    lnetctl_state,
    lnetctl_yaml,
    mgs_probe,
    mke2fs,
    modules,
    mount_params,
    mountdata,
    mounts,
    packages,
    srpc,
    systemctl,
    tunefs_lustre,
    zfs,
    zpool,
)
from ansible_collections.lustre.core.plugins.module_utils._cli.keytab_file import FileState
from ansible_collections.lustre.core.plugins.module_utils._errors import LustreError
from ansible_collections.lustre.core.plugins.module_utils._readers import (
    node_info,
    packages_info,
    packages_want,
    security_info,
    site_info,
)
from ansible_collections.lustre.core.plugins.module_utils._resources import (
    directory,
    encryption_record,
    encryption_state,
    lnet_files,
    lnet_ipv6,
    lnet_system,
    unread,
)
from ansible_collections.lustre.core.plugins.module_utils._resources.param_want import ParamWant
from ansible_collections.lustre.core.plugins.module_utils._run import Result
from tests.unit import fuzz_changelog, fuzz_fscrypt, fuzz_kerberos, fuzz_luks, fuzz_nodemap
from tests.unit.fake_runner import load_transcript
from tests.unit.fuzzing import TEXT, Case, answering, kept, recorded, recorded_in
from tests.unit.target_support import FakeFiles

#: The root of a node: its os-release, and an empty file where Lustre's plug-in for ldiskfs would be.
NODE_ROOT = Path(__file__).parent / "cases" / "debian_root"
PROC_MOUNTS = (*recorded("mount/proc-mounts", "zfs/proc-mounts-zfs"), TEXT["proc-mounts-odd"])
LNET = recorded_in("lnet", "*show*.txt") + recorded_in("lnet", "export*.txt")
LNET_ERRORS = (
    recorded_in("lnet", "*-bad*.txt") + recorded_in("lnet", "*missing*.txt") + recorded("lnet/net-show-unconfigured")
)
PARAMS = recorded(
    "params/gp-wild",
    "params/gp-multi",
    "params/imports",
    "params/recovery_status",
    "params/mgs-filesystems",
    "params/state",
)
PARAM_ERRORS = recorded(
    "params/gp-one-missing",
    "params/sp-badvalue",
    "params/sp-unknown-wild",
    "params/sp-one-bad-middle",
    "params/sp-readonly",
)
LOGS = recorded("params/llog-client", "params/llog-params", "params/llog-mdt0", "params/llog-params-after-d")
TUNEFS = recorded(
    "mkfs/tunefs-dryrun-mdt",
    "mkfs/tunefs-dryrun-after",
    "zfs/tunefs-dryrun-zfs",
    "failover/srv-servicenode-dry",
    "mkfs/tunefs-unformatted",
)
DEVICES = recorded("mount/lctl-dl", "mount/lctl-dl-t", "mount/get_param-devices")
NIDS = recorded("lnet/lctl-list_nids", "lnet/lctl-list_nids-all")
DF = (*recorded("mount/lfs-df-mnt"), TEXT["df-down"])
MODINFO = (*recorded("versions/modinfo-lustre"), TEXT["modinfo-lnet"])
WANTS = (
    ParamWant("osc.fs1-*.max_dirty_mb", "mount", "present", "32", _units.Kind("size", _units.MIB)),
    ParamWant("llite.fs1-*.max_cached_mb", "mount", "absent"),
)
ENTRY = fstab.FstabEntry("10.77.0.11@tcp:/fs1", "/mnt/fs1", "lustre", ("_netdev",))
PORT = 988


LOOKS = tuple(
    f'{{"directories": {{"/mnt/fs1/a": {{"exists": true, "mode": 16877, "uid": 0, "gid": 0, "real": "/mnt/fs1/a", {more}}}}}, '
    f'"key_files": {{"/k": {{"exists": true, {key}}}}}}}\n'
    for more, key in (
        (
            '"policy": "0201040300000000002192fcf1fb22e1c930e8e87e32855a", "key": 2, "own": true, "users": 1',
            '"problem": "x"',
        ),
        ('"names": ["f"]', '"identifier": "002192fcf1fb22e1c930e8e87e32855a"'),
        ('"refused": "ENOTTY"', '"identifier": ""'),
    )
)
KEY_RECORD = encryption_record.merged("", "0" * 32, {"fs1:/a": encryption_record.entry("02", "/mnt/fs1/a", "/k")})
SRPC_RULES = recorded("security/mgs-live", "security/mgs-live-skn", "ssk-remote/srv-flavor-both")
SRPC_INFO = recorded("ssk-remote/cli-srpc_info-2", "security/srpc_info-null", "kerberos/cli-srpc_info")
SRPC_CONTEXTS = tuple(
    line[line.index("- {") :]
    for name in ("ssk-remote/cli-srpc_contexts-2", "kerberos/cli-srpc_info", "kerberos/p-set-multi")
    for text in recorded(name)
    for line in text.splitlines()
    if "- {" in line
)


#: Attributes on standard output, the dump on standard error: both in one text.
SSK_KEY = "".join(recorded("security/lgss_sk-read"))
KEYRINGS = recorded("security/load-keys", "security/lgss_sk-load")


def _state(text: str) -> Any:
    return lnetctl_state.state_of(lnetctl_yaml.parse(text, "it"), list(lnetctl.SECTIONS), text)


def _prove(run: Any) -> Any:
    return mgs_probe.prove(run, [["10.77.0.11@tcp"], ["10.77.0.99@tcp"]], "mount it", lambda _seconds: None)


def _library(run: Any) -> Any:
    """The loader says the text; what then opens a scratch file says what it should."""

    def loader(argv: Any, stdin: Any = None, timeout: float = 0.0) -> Result:
        return run(argv) if argv[0] == "ldd" else Result(0, TEXT["libext2fs-1"], "")

    return libext2fs.loaded(loader, str(NODE_ROOT))


def _inspected(run: Any) -> Any:
    return node_info.Inspector(run, node_info.SECTIONS, ["osc.*.active"], lambda path: "", "6.1.0", "oss1").node()


def _packaged(run: Any) -> Any:
    """One of the programs says the text, the others what they should."""
    family = {"packages": ["lustre-client-utils"], "kernel": ["linux-image-*"]}
    options = {"families": {"debian": family}, "modules": ["lnet"], "dkms": True, "candidates": True}
    usual = {
        "dpkg-query": TEXT["dpkg"],
        "modinfo": MODINFO[-1],
        "dkms": kept("dkms-1", "dkms-2")[0],
        "apt-cache": TEXT["policy"],
    }
    found: list[Any] = []
    for odd in usual:

        def mixed(argv: Any, stdin: Any = None, timeout: float = 0.0, odd: str = odd) -> Result:
            return run(argv) if argv[0] == odd else Result(0, usual[argv[0]], "")

        try:
            found.append(packages_info.Inspector(mixed, options, root=str(NODE_ROOT), kernel="6.1.0").inspect())
        except LustreError as error:
            found.append(error)
    return found


def _secured(run: Any) -> Any:
    rules = [{"target": "lustre", "flavor": "skpi"}]
    quick = {"sleep": lambda _seconds: None, "clock": lambda: 0.0, "keytab_state": lambda _path: FileState("absent")}
    return security_info.SecurityInspector.from_options(run, security_info.SECTIONS, rules, 0, **quick).inspect()


def _directories(run: Any) -> Any:
    local = directory.Local(lambda: PROC_MOUNTS[-1], lambda name: 0, lambda name: 0)
    wants = [directory.DirectoryWant("fs1", "/mnt/fs1/a"), directory.DirectoryWant("fs1", "/mnt/fs1/b")]
    return directory.DirectoryResource(wants, local).have(run)


PROJECTS = recorded("quota/project-d")
EXPORTS = tuple(text.partition("=\n")[2] for text in recorded("nodemap/exports"))
STRIPES = recorded("layout/gs-plain-y", "layout/gs-pfl-y", "layout/gs-dom-y")
COMPLAINTS = tuple(load_transcript(f"mkfs/debugfs-dump{name}").err for name in ("", "-missing", "-nofs"))

#: By ``file.function``, as ``readers`` names them.
CASES: dict[str, Case] = {
    "blockdev.parse_lsblk": Case(blockdev.parse_lsblk, (TEXT["lsblk"], *recorded("mkfs/lsblk-json"))),
    "blockdev.lsblk": Case(answering(lambda run: blockdev.lsblk(run, ["/dev/sda"])), kept("lsblk")),
    "blockdev.parse_wipefs": Case(blockdev.parse_wipefs, (TEXT["wipefs"], *recorded("mkfs/wipefs-mdt"))),
    "blockdev.wipefs": Case(answering(lambda run: blockdev.wipefs(run, ["/dev/sda"])), kept("wipefs")),
    "blockdev.parse_blkid": Case(blockdev.parse_blkid, (*recorded("mkfs/blkid-p-o-export"), TEXT["blkid-part"])),
    "blockdev.blkid": Case(
        answering(lambda run: blockdev.blkid(run, "/dev/sda"), 2), recorded("mkfs/blkid-p-o-export")
    ),
    "blockdev.mmp_state": Case(answering(lambda run: blockdev.mmp_state(run, "/dev/sda"), 1), kept("mmp-1", "mmp-2")),
    "devfiles.parse_mountinfo": Case(devfiles.parse_mountinfo, kept("mountinfo")),
    "devfiles.parse_swaps": Case(devfiles.parse_swaps, kept("swaps")),
    "devfiles.parse_mdstat": Case(devfiles.parse_mdstat, kept("mdstat")),
    "devfiles.parse_uevent": Case(devfiles.parse_uevent, kept("uevent")),
    "dkms.parse": Case(dkms.parse, kept("dkms-1", "dkms-2")),
    "dkms.status": Case(answering(dkms.status), kept("dkms-1", "dkms-2")),
    "file_io.read": Case(
        answering(lambda run: file_io.read(run, "/mnt/.lustre-verify-0123456789abcdef")), kept("dkms-1", "dkms-2")
    ),
    "file_io.owner_of": Case(answering(lambda run: file_io.owner_of(run, "/mnt")), ("0:0\n", "500:501\n")),
    "firewall.parse_firewalld_state": Case(
        lambda text: [firewall.parse_firewalld_state(0, text, ""), firewall.parse_firewalld_state(252, "", text)],
        ("running\n", "not running\n"),
    ),
    "firewall.parse_ufw": Case(lambda text: firewall.parse_ufw(text, PORT), kept("ufw")),
    "firewall.parse_nft": Case(lambda text: firewall.parse_nft(text, PORT), kept("nft")),
    "firewall.included_folder": Case(firewall.included_folder, kept("nft-conf")),
    "fstab.entry_of": Case(fstab.entry_of, tuple(TEXT["fstab"].splitlines())),
    "fstab.entries": Case(fstab.entries, kept("fstab")),
    "fstab.edit": Case(lambda text: fstab.edit(text, {"/mnt/fs1": ENTRY, "/lustre/a b": None}), kept("fstab")),
    "lctl.run_batch": Case(answering(lambda run: lctl.run_batch(run, [("dl",), ("get_param", "version")])), DEVICES),
    "lctl.own_output": Case(lambda text: lctl.own_output(text, "ignore_errors\ndl\n"), DEVICES),
    "lctl.parse_devices": Case(lctl.parse_devices, DEVICES),
    "lctl.devices": Case(answering(lctl.devices), DEVICES + recorded("versions/lctl-dl-nomodules")),
    "lctl.parse_nids": Case(lctl.parse_nids, NIDS),
    "lctl.nids": Case(answering(lctl.nids), NIDS + recorded("versions/list_nids-nomodules")),
    "lctl.parse_version": Case(
        lctl.parse_version, recorded("versions/lctl-version", "versions/lfs-version", "versions/lnetctl-version")
    ),
    "lctl.version": Case(answering(lctl.version), recorded("versions/lctl-version")),
    "lctl_params.parse": Case(
        lambda text: (
            lctl_params.parse(text, text),
            lctl_params.parse(text, "", ["osc.*.active", "mgs.MGS.*", "*.*.recovery_status"]),
        ),
        PARAMS + PARAM_ERRORS,
    ),
    "lctl_params.not_set": Case(lctl_params.not_set, PARAM_ERRORS),
    "lctl_params.refused_instances": Case(lctl_params.refused_instances, PARAM_ERRORS),
    "lctl_params.keys": Case(lctl_params.keys, recorded("params/recovery_status", "params/mdc-import")),
    "lctl_params.filesystems": Case(lctl_params.filesystems, recorded("params/mgs-filesystems")),
    "keyring.parse_show": Case(keyring.parse_show, KEYRINGS),
    "keyring.loaded": Case(answering(keyring.loaded), KEYRINGS),
    "lgss_sk.parse_read": Case(lgss_sk.parse_read, (SSK_KEY,)),
    "lgss_sk.read": Case(answering(lambda run: lgss_sk.read(run, "/k/a")), (SSK_KEY,)),
    "lgss_sk.redacted": Case(lgss_sk.redacted, (SSK_KEY,)),
    "lfs.parse_df": Case(lfs.parse_df, DF),
    "lfs.parse_projects": Case(lfs.parse_projects, PROJECTS),
    "lfs.projects": Case(answering(lambda run: lfs.projects(run, ["/mnt/lustre/proj"])), PROJECTS),
    "lfs.df": Case(answering(lambda run: lfs.df(run, "/mnt/fs1")), DF),
    "llog.is_record": Case(llog.is_record, tuple(LOGS[0].splitlines()[:5])),
    "llog.parse_line": Case(llog.parse_line, tuple(LOGS[0].splitlines()[:12]) + tuple(LOGS[1].splitlines()[:4])),
    "llog.parse": Case(lambda text: llog.targets(llog.parse(text)), LOGS),
    "llog.parse_mixed": Case(lambda text: llog.stored_params(llog.parse_mixed(text)), LOGS + PARAMS[:2]),
    "llog.failures": Case(llog.failures, recorded("params/llog-missing")),
    "libext2fs.loaded": Case(answering(_library), kept("ldd")),
    "libext2fs.parse": Case(
        lambda text: libext2fs.parse("/lib/libext2fs.so.2", Result(0, text, "")), kept("libext2fs-1", "libext2fs-2")
    ),
    "lnetctl.read": Case(
        answering(
            lambda run: (lnetctl.read(run), lnetctl.read(run, ["routes"]), lnetctl.read(run, list(lnetctl.SECTIONS)))
        ),
        LNET + LNET_ERRORS,
    ),
    "lnetctl.not_up": Case(lambda text: lnetctl.not_up(Result(234, text, text)), LNET_ERRORS),
    "lnetctl_state.parse_cpts": Case(lnetctl_state.parse_cpts, ("[0,1]", "[0-3,7]", "0", "[]"), (ValueError,)),
    "lnetctl_state.normal_selector": Case(lnetctl_state.normal_selector, ("*@tcp0", "10.77.0.[1-9]@o2ib", "tcp")),
    "lnetctl_yaml.parse": Case(
        lambda text: (lnetctl_yaml.errors(lnetctl_yaml.parse(text, "it")), lnetctl_yaml.parse(text, "it", ("net",))),
        LNET + LNET_ERRORS,
    ),
    "mgs_probe.own_nids": Case(answering(mgs_probe.own_nids), NIDS),
    "mgs_probe.require_lnet": Case(answering(lambda run: mgs_probe.require_lnet(run, "mount it")), NIDS),
    "mgs_probe.mgs_runs_here": Case(answering(mgs_probe.mgs_runs_here), DEVICES),
    "mgs_probe.ping": Case(
        answering(lambda run: mgs_probe.ping(run, "10.77.0.11@tcp"), 1), recorded_in("lnet", "lctl-ping-*.txt")
    ),
    "mgs_probe.prove": Case(answering(_prove), NIDS + DEVICES),
    "mke2fs.parse": Case(lambda text: mke2fs.parse(Result(1, "", text)), kept("mke2fs-old")),
    "mke2fs.lustre_aware": Case(answering(mke2fs.lustre_aware), recorded("mkfs/mke2fs-version")),
    "modules.parse": Case(modules.parse, MODINFO),
    "modules.installed": Case(answering(modules.installed), MODINFO),
    "mount_params.is_supported": Case(mount_params.is_supported, recorded("async/sp-C")),
    "mount_params.value_in": Case(lambda text: mount_params.value_in(text, WANTS[0].name), kept("stat-mount-params")),
    "mount_params.changed": Case(lambda text: mount_params.changed(text, WANTS), kept("stat-mount-params")),
    "mountdata.parse_label": Case(mountdata.parse_label, ("fs1=OST000a", "MGS", "fs1:MDT0000")),
    "mounts.client_source": Case(
        mounts.client_source,
        ("10.77.0.11@tcp,10.77.1.11@tcp1:10.77.0.12@tcp:/fs1/a/b", "fe80::1@tcp:/fs1", "mgs1@tcp:/fs1"),
    ),
    "mounts.parse_mounts": Case(
        lambda text: [(entry.client, entry.target, entry.option("svname")) for entry in mounts.parse_mounts(text)],
        PROC_MOUNTS,
    ),
    "packages.parse_installed": Case(packages.parse_installed, kept("dpkg")),
    "packages.installed": Case(
        answering(lambda run: [packages.installed(run, family, ["lustre*"]) for family in ("debian", "redhat")]),
        kept("dpkg"),
    ),
    "packages.parse_policy": Case(packages.parse_policy, kept("policy")),
    "packages.candidates": Case(
        answering(lambda run: [packages.candidates(run, family, ["lustre"]) for family in ("debian", "redhat")]),
        (TEXT["policy"], "lustre-client\t2.17.0-1.el9\n"),
    ),
    "packages.parse_versionlock": Case(packages.parse_versionlock, kept("versionlock")),
    "fscrypt.look": Case(answering(lambda run: fscrypt.look(run, ["/mnt/fs1/a"], ["/k"])), LOOKS),
    "fscrypt.parse_policy": Case(
        fscrypt.parse_policy, ("0201040300000000002192fcf1fb22e1c930e8e87e32855a",), (ValueError,)
    ),
    "debugfs.parse_complaints": Case(debugfs.parse_complaints, COMPLAINTS),
    "debugfs.dump": Case(answering(lambda run: debugfs.dump(run, "/dev/sdb", "O/1/d1/1", "/run/c")), COMPLAINTS),
    "lfs.stripes": Case(answering(lambda run: lfs.stripes(run, "/mnt/lustre/s1")), STRIPES),
    "lfs.parse_stripes": Case(lfs.parse_stripes, STRIPES),
    "exports.parse": Case(exports.parse, EXPORTS),
    "ext4.inside": Case(
        answering(lambda run: ext4.inside(run, "/dev/sda")), kept("debugfs-1", "debugfs-2", "debugfs-3")
    ),
    "srpc.parse_rule": Case(srpc.parse_rule, ("fs1.srpc.flavor.default=skpi", "_mgs.srpc.flavor.tcp1=krb5p")),
    "srpc.parse_rules": Case(srpc.parse_rules, SRPC_RULES),
    "srpc.parse_self_rules": Case(srpc.parse_self_rules, ("_mgs.srpc.flavor.default=skpi\n",)),
    "srpc.parse_targets": Case(srpc.parse_targets, SRPC_RULES),
    "srpc.parse_info": Case(srpc.parse_info, SRPC_INFO),
    "srpc.parse_contexts": Case(srpc.parse_contexts, SRPC_CONTEXTS),
    "systemctl.parse_show": Case(
        lambda text: [(u.exists, u.masked, u.enabled, u.started) for u in systemctl.parse_show(text)], kept("units")
    ),
    "systemctl.show": Case(
        answering(lambda run: systemctl.show(run, ["lnet.service", "chrony.service"])), kept("units")
    ),
    "tunefs_lustre.parse": Case(tunefs_lustre.parse, TUNEFS),
    "tunefs_lustre.read": Case(answering(lambda run: tunefs_lustre.read(run, "/dev/sda"), 19), TUNEFS),
    "zfs.parse_rows": Case(lambda text: zfs.parse_rows(text, 3, "it"), kept("zpool-get")),
    "zfs.local_properties": Case(
        answering(
            lambda run: [zfs.target_of(found) for found in zfs.local_properties(run, ["ost3pool/ost3"]).values()]
        ),
        kept("zfs-get", "zfs-none"),
    ),
    "zpool.imported": Case(answering(zpool.imported), ("ost4pool\tONLINE\n",)),
    "zpool.properties": Case(
        answering(lambda run: zpool.properties(run, "zpool", ["multihost", "cachefile"], ["ost4pool"])),
        kept("zpool-get"),
    ),
    "zpool.parse_status": Case(zpool.parse_status, kept("zpool-status")),
    "zpool.members": Case(answering(lambda run: zpool.members(run, ["ost4pool"])), kept("zpool-status")),
    "zpool.parse_importable": Case(
        lambda text: [pool.clean for pool in zpool.parse_importable(text)], kept("zpool-import")
    ),
    "zpool.importable": Case(
        answering(lambda run: zpool.importable(run, ["/dev/disk/by-id"])),
        (TEXT["zpool-import"], "no pools available to import\n"),
    ),
}
#: Whole objects that read several programs' output at once; nobody finds these by looking.
WHOLE: dict[str, Case] = {
    "node_info.Inspector": Case(answering(_inspected), PARAMS + DEVICES),
    "security_info.SecurityInspector": Case(answering(_secured), SRPC_INFO + SRPC_CONTEXTS + SRPC_RULES),
    "packages_info.Inspector": Case(answering(_packaged), (TEXT["dpkg"], *MODINFO, *kept("dkms-1", "dkms-2"))),
    "directory.DirectoryResource": Case(answering(_directories), kept("stat-1", "stat-2")),
}
#: The same for readers outside ``_cli``.
ELSEWHERE: dict[str, Case] = {
    "encryption_record.merged": Case(
        lambda text: encryption_record.merged(
            text, "0" * 32, {"fs1:/b": encryption_record.entry("02", "/mnt/fs1/b", "")}
        ),
        (KEY_RECORD,),
    ),
    "encryption_state.granted": Case(answering(encryption_state.granted), recorded("params/imports")),
    "node_info.devices_part": Case(node_info.devices_part, DEVICES),
    "_nid.split_nodes": Case(
        _nid.split_nodes, ("10.77.0.11@tcp,10.77.1.11@tcp1:fe80::1@tcp", "10.77.0.11@tcp"), (ValueError,)
    ),
    "lnet_files.active": Case(lnet_files.active, kept("lnet-conf")),
    "lnet_files.ours": Case(lnet_files.ours, kept("lnet-conf")),
    "lnet_ipv6.require_option": Case(
        answering(lnet_ipv6.require_option),
        (
            "\t--net: net name (e.g. tcp0)\n\t--if: physical interface (e.g. eth0)\n\t--nid: bring up NI using the address\n",
        ),
    ),
    "lnet_system.read_links": Case(answering(lnet_system.read_links), kept("ip")),
    "lnet_system.reload_needed": Case(answering(lnet_system.reload_needed), ("NeedDaemonReload=yes\n",)),
    "unread.trace": Case(
        answering(lambda run: unread.trace(run, "/dev/sda", FakeFiles())), kept("debugfs-1", "debugfs-2", "debugfs-3")
    ),
    "node_info.os_release": Case(node_info.os_release, kept("os-release")),
    "site_info.site": Case(answering(site_info.site), PARAMS + LOGS + NIDS),
    "site_info.own_nids": Case(site_info.own_nids, NIDS),
    "packages_want.distribution": Case(packages_want.distribution, kept("os-release")),
    "_units.size_of": Case(lambda text: _units.size_of(text, 1), ("64", "64M", "1.5GiB")),
    "_units.time_of": Case(_units.time_of, ("600s", "600000")),
}
CASES.update(fuzz_nodemap.CASES)
CASES.update(fuzz_fscrypt.CASES)
CASES.update(fuzz_luks.CASES)
CASES.update(fuzz_kerberos.CASES)
ELSEWHERE.update(fuzz_kerberos.ELSEWHERE)
ELSEWHERE.update(fuzz_nodemap.ELSEWHERE)
ELSEWHERE.update(fuzz_fscrypt.ELSEWHERE)
CASES.update(fuzz_changelog.CASES)
ELSEWHERE.update(fuzz_changelog.ELSEWHERE)
