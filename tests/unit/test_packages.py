"""packages_info: what package managers, mke2fs and DKMS print, and what is concluded from it."""

from __future__ import annotations

import os
import re

import pytest

from ansible_collections.lustre.core.plugins.module_utils._cli import dkms, mke2fs, packages
from ansible_collections.lustre.core.plugins.module_utils._errors import (
    BadValue,
    LustreError,
    ToolError,
    ToolMissing,
    UnknownOutput,
)
from ansible_collections.lustre.core.plugins.module_utils._readers.basics import TIME_SERVICES
from ansible_collections.lustre.core.plugins.module_utils._readers.packages_info import Inspector
from ansible_collections.lustre.core.plugins.module_utils._readers.packages_want import distribution
from ansible_collections.lustre.core.plugins.module_utils._run import Result

KERNEL = "6.1.0-18-amd64"
MODULES = f"lustre-client-modules-{KERNEL}"
OS = {
    "debian": 'PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\nVERSION_ID="12"\nID=debian\n',
    "redhat": 'PRETTY_NAME="AlmaLinux 9.7"\nID="almalinux"\nID_LIKE="rhel centos fedora"\nVERSION_ID="9.7"\n',
}
FAMILIES = {
    "debian": {
        "packages": ["lustre-client-modules-{kernel}", "lustre-client-utils"],
        "opposite": ["lustre-server-utils", "lustre-server-modules-*"],
        "kernel": ["linux-image-{kernel}", "linux-image-[!0-9]*"],
    },
    "redhat": {
        "requires": ["kernel-devel-{kernel}"],
        "packages": ["kmod-lustre-client", "lustre-client"],
        "kernel": ["kernel-core"],
    },
}
DPKG = (
    "dpkg-query",
    "-W",
    "-f",
    "${Package}\t${Version}\t${Architecture}\t${db:Status-Abbrev}\n",
    MODULES,
    "lustre-client-utils",
    "lustre-server-utils",
    "lustre-server-modules-*",
    f"linux-image-{KERNEL}",
    "linux-image-[!0-9]*",
)
MODINFO = ("modinfo", "lnet", "lustre")
WHOLE = f"{MODULES}\t2.17.0-1\tall\tii \nlustre-client-utils\t2.17.0-1\tall\tii \nlinux-image-{KERNEL}\t6.1.76-1\tamd64\thi \n"


def modinfo(kernel=KERNEL, names=("lnet", "lustre")):
    blocks = "filename: /lib/modules/{0}/updates/{1}.ko\nversion: 2.17.0\nname: {1}\nvermagic: {0} SMP\n"
    return "".join(blocks.format(kernel, name) for name in names)


NOT_FOUND = Result(1, "", "modinfo: ERROR: Module lnet not found.\nmodinfo: ERROR: Module lustre not found.\n")


@pytest.fixture
def node(tmp_path):
    """``node({path: text})`` makes a folder that stands for a host's root."""

    def make(files, system="debian"):
        for path, text in {"etc/os-release": OS[system], "proc/self/mounts": "", **files}.items():
            place = tmp_path / path
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(text)
        return str(tmp_path)

    return make


def inspect(run, root, kernel=KERNEL, **options):
    return Inspector(run, {"families": FAMILIES, "modules": ["lnet", "lustre"], **options}, root, kernel).inspect()


# What tools print


def test_installed_packages_are_told_from_remains():
    text = (
        "e2fsprogs\t1.47.0-2+b2\tamd64\tii \nlustre-client-utils\t2.17.0-1\tall\trc \nlustre-utils\t\t\tun \n"
        "linux-image-amd64\t6.1.76-1\tamd64\thi \nlustre-server-utils\t2.17.0-1\tall\tiF \nzfs-dkms\t2.1\tall\tiiR\n"
    )
    found = {package.name: package for package in packages.parse_installed(text)}
    assert sorted(found) == ["e2fsprogs", "linux-image-amd64", "lustre-server-utils", "zfs-dkms"]
    assert found["linux-image-amd64"].held and not found["e2fsprogs"].held
    assert found["e2fsprogs"].whole and not found["lustre-server-utils"].whole and not found["zfs-dkms"].whole


@pytest.mark.parametrize("line", ["lustre", "lustre\t1\tall", "lustre\t1\tall\tzz ", "a\tb\tc\td\te"])
def test_an_unknown_line_stops(line):
    with pytest.raises(UnknownOutput):
        packages.parse_installed(line + "\n")


def test_a_pattern_that_matches_nothing_is_no_failure(fake):
    nothing = Result(1, "", "dpkg-query: no packages found matching lustre*\n")
    assert packages.installed(fake([(DPKG[:4] + ("lustre*",), nothing)]), "debian", ["lustre*"]) == []
    broken = Result(2, "", "dpkg-query: error: failed to open package info file\n")
    with pytest.raises(ToolError, match="failed to open"):
        packages.installed(fake([(DPKG[:4] + ("lustre*",), broken)]), "debian", ["lustre*"])


@pytest.mark.parametrize(
    ("found", "wanted", "same"),
    [
        ("2.17.0-1", "", True),
        ("2.17.0-1", "2.17.0", True),
        ("2.17.0-1", "2.17.0-1", True),
        ("2.17.0-1.el9", "2.17.0-1", False),
        ("2.17.0-1.el9", "2.17.*", True),
        ("2.17.01-1", "2.17.0", False),
        ("2.16.1-1", "2.17.0", False),
        ("1:2.17.0-1", "2.17.0", True),
    ],
)
def test_versions(found, wanted, same):
    assert packages.is_version(found, wanted) is same


def test_dnf_locks():
    text = "# BEGIN\nkernel-core-0:5.14.0-570.12.1.el9_6.*\nkernel-modules-core-0:5.14.0-570.12.1.el9_6.*\n!kernel-0:5.14.0-1.el9.*\n\n"
    assert packages.parse_versionlock(text) == {"kernel-core", "kernel-modules-core"}


def test_candidates_of_apt(fake):
    text = (
        "lustre-client-utils:\n  Installed: (none)\n  Candidate: 2.17.0-1\n  Version table:\n     2.17.0-1 500\n"
        "zfs-dkms:\n  Installed: (none)\n  Candidate: (none)\n  Version table:\n"
    )
    run = fake([(("apt-cache", "policy", "lustre-client-utils", "zfs-dkms"), text)])
    assert packages.candidates(run, "debian", ["lustre-client-utils", "zfs-dkms"]) == {
        "lustre-client-utils": "2.17.0-1"
    }


def test_files_of_a_folder():
    debs = [
        "lustre-client-utils_2.9.0-1_amd64.deb",
        "lustre-client-utils_2.17.0-1_amd64.deb",
        "README",
        f"{MODULES}_2.17.0-1_all.deb",
    ]
    wanted = [MODULES, "lustre-client-utils"]
    assert packages.package_files(debs, "debian", wanted, "") == {
        "lustre-client-utils": debs[1], MODULES: debs[3]
    }  # fmt: skip
    assert packages.package_files(debs, "debian", wanted, "2.9.0") == {"lustre-client-utils": debs[0]}
    rpms = [
        "lustre-client-2.17.0-1.el9.x86_64.rpm",
        "lustre-client-2.17.0-1.el9.src.rpm",
        "lustre-client-dkms-2.17.0-1.el9.noarch.rpm",
    ]
    assert packages.package_files(rpms, "redhat", ["lustre-client"], "2.17.0") == {"lustre-client": rpms[0]}


@pytest.mark.parametrize(
    ("result", "answer"),
    [
        (Result(1, "", "mke2fs 1.47.0 (5-Feb-2023)\nInvalid filesystem option set: dirdata\n"), (False, "1.47.0")),
        (Result(1, "Invalid filesystem option set: dirdata\n", "mke2fs 1.47.0 (5-Feb-2023)\n"), (False, "1.47.0")),
        (
            Result(0, "Creating filesystem with 8192 1k blocks\n", "mke2fs 1.47.3-wc1 (11-Jun-2025)\n"),
            (True, "1.47.3-wc1"),
        ),
    ],
)
def test_mke2fs_is_asked_and_not_its_version(result, answer):
    assert mke2fs.parse(result) == answer


@pytest.mark.parametrize(
    "result", [Result(0, "", ""), Result(1, "", "mke2fs 1.47.0 (5-Feb-2023)\nNo space left on device\n")]
)
def test_an_unclear_answer_of_mke2fs_stops(result):
    with pytest.raises(UnknownOutput):
        mke2fs.parse(result)


def test_mke2fs_sees_a_scratch_file_and_never_a_device(tmp_path):
    def run(argv, stdin=None, timeout=0.0):
        assert argv[:-1] == ("mke2fs", "-n", "-t", "ext4", "-O", "dirdata")
        assert argv[-1].startswith(str(tmp_path)) and os.path.getsize(argv[-1]) == 8 * 1024 * 1024
        return Result(0, "", "mke2fs 1.47.3-wc1 (11-Jun-2025)\n")

    assert mke2fs.lustre_aware(run, str(tmp_path))[0] is True
    assert os.listdir(tmp_path) == []


def test_dkms_old_and_new():
    text = (
        f"lustre-client-modules/2.17.0, {KERNEL}, x86_64: installed\nlustre-zfs, 2.15.8, 5.14.0-1.el9.x86_64, x86_64: built\n"
        "lustre-ldiskfs/2.18.0: added\nzfs/2.1.11, 6.1.0, x86_64: installed (WARNING! Diff between built and installed module!)\n"
    )
    found = [(build.name, build.version, build.kernel, build.state) for build in dkms.parse(text)]
    assert found == [
        ("lustre-client-modules", "2.17.0", KERNEL, "installed"),
        ("lustre-zfs", "2.15.8", "5.14.0-1.el9.x86_64", "built"),
        ("lustre-ldiskfs", "2.18.0", "", "added"),
        ("zfs", "2.1.11", "6.1.0", "installed"),
    ]
    with pytest.raises(UnknownOutput):
        dkms.parse("what is this\n")


@pytest.mark.parametrize(
    ("text", "family", "folder"),
    [
        (OS["debian"], "debian", ("debian12", "debian12")),
        (OS["redhat"], "redhat", ("el9.7", "el9")),
        ('ID=ubuntu\nID_LIKE=debian\nVERSION_ID="24.04"\n', "debian", ("ubuntu2404", "ubuntu2404")),
        ('ID="sles"\nID_LIKE="suse"\nVERSION_ID="15.7"\n', "suse", ("sles15sp7", "sles15")),
        ('ID="opensuse-leap"\nVERSION_ID="15.6"\nID_LIKE="suse opensuse"\n', "suse", ("sles15sp6", "sles15")),
        ("ID=arch\n", "", None),
    ],
)
def test_families(text, family, folder):
    found = distribution(text)
    assert found["family"] == family
    assert folder is None or (found["distribution"], found["distribution_major"]) == folder


# What is concluded


def test_a_client_that_has_all_costs_two_processes(fake, node):
    run = fake([(DPKG, WHOLE), (MODINFO, modinfo())])
    found = inspect(run, node({}), version="2.17.0")
    assert found["todo"] == [] and found["plan"] == [] and run.count == 2
    assert found["modules"] == {"fit": True, "missing": [], "version": "2.17.0", "built_for": [], "bootable": []}
    assert found["held"] == [f"linux-image-{KERNEL}"] and found["manager"] == "apt"


def test_a_fresh_client(fake, node):
    run = fake([(DPKG, Result(1, "", "dpkg-query: no packages found matching x\n")), (MODINFO, ToolMissing("modinfo"))])
    found = inspect(run, node({}), version="2.17.0", repositories=["https://mirror.example.com/{distribution}/"])
    assert found["todo"] == ["repository", "missing", "modules"]
    assert [(step["action"], step["object"]) for step in found["plan"]] == [
        ("configure", "/etc/apt/sources.list.d/lustre.sources"),
        ("install", f"{MODULES} 2.17.0"),
        ("install", "lustre-client-utils 2.17.0"),
    ]
    assert found["repositories"][0]["uri"] == "https://mirror.example.com/debian12/"
    assert "install packages built for 6.1.0-18-amd64" in found["problems"][-1]["text"]


def test_a_repository_is_known_by_its_location(fake, node):
    files = {
        "etc/apt/sources.list.d/lustre.sources": "Types: deb\nURIs: https://mirror.example.com/lustre/\nSuites: ./\n"
    }
    found = inspect(
        fake([(DPKG, WHOLE), (MODINFO, modinfo())]), node(files), repositories=["https://mirror.example.com/lustre/"]
    )
    assert found["repositories"][0]["current"] is True and found["todo"] == []


def test_opposite_wrong_version_and_half_installed(fake, node):
    there = f"{MODULES}\t2.16.1-1\tall\tii \nlustre-client-utils\t2.17.0-1\tall\tiU \nlustre-server-utils\t2.17.0-1\tall\tii \n"
    found = inspect(fake([(DPKG, there), (MODINFO, modinfo())]), node({}), version="2.17.0")
    assert found["todo"] == ["opposite", "broken", "version"]
    assert found["opposite"] == ["lustre-server-utils"] and found["broken"] == ["lustre-client-utils"]
    assert [(step["action"], step["disruptive"]) for step in found["plan"]] == [
        ("remove", True), ("install", False), ("install", True)
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("files", "words", "boot"),
    [
        ({}, "for no other kernel either", ""),
        ({"lib/modules/{0}/updates/lnet.ko": "", "lib/modules/{0}/updates/lustre.ko.xz": ""}, "run `depmod -a`", ""),
        (
            {"lib/modules/6.1.0-17/extra/lnet.ko": "", "lib/modules/6.1.0-17/extra/lustre.ko": ""},
            f"They are there for 6.1.0-17: install packages built for {KERNEL} ({MODULES})",
            "",
        ),
        (
            {
                "lib/modules/6.1.0-17/extra/lnet.ko": "",
                "lib/modules/6.1.0-17/extra/lustre.ko": "",
                "boot/vmlinuz-6.1.0-17": "",
            },
            "boot 6.1.0-17, which is installed, or",
            "6.1.0-17",
        ),
        ({"lib/modules/6.1.0-17/extra/lnet.ko": "", "boot/vmlinuz-6.1.0-17": ""}, "for no other kernel either", ""),
    ],
    ids=["nowhere", "not indexed", "another kernel", "another kernel that boots", "only one of two"],
)
def test_modules_that_do_not_fit(fake, node, files, words, boot):
    root = node({path.format(KERNEL): text for path, text in files.items()})
    found = inspect(fake([(DPKG, WHOLE), (MODINFO, NOT_FOUND)]), root)
    assert found["todo"] == ["modules"] and found["boot"] == boot
    assert (
        f"Lustre's kernel modules lnet, lustre are not there for the running kernel {KERNEL}."
        in found["problems"][0]["text"]
    )
    assert words in found["problems"][0]["text"]


def test_a_kernel_that_is_wanted_and_does_not_run(fake, node):
    argv = tuple(word.replace(KERNEL, "6.1.0-17") for word in DPKG)
    there = WHOLE.replace(KERNEL, "6.1.0-17")
    options = {"families": FAMILIES, "modules": ["lnet"], "kernel": "6.1.0-17"}
    found = Inspector(fake([(argv, there)]), options, node({"boot/vmlinuz-6.1.0-17": ""}), KERNEL).inspect()
    assert found["todo"] == ["kernel"] and found["boot"] == "6.1.0-17" and found["modules"]["fit"] is None
    assert found["plan"][0]["action"] == "boot" and found["plan"][0]["disruptive"] is True


def test_an_ldiskfs_server_needs_a_mke2fs_that_knows_lustre(fake, node):
    families = {"debian": {"e2fsprogs": ["e2fsprogs"]}}
    asked = (*DPKG[:4], "e2fsprogs")
    there = "e2fsprogs\t1.47.0-2\tamd64\tii \n"
    probe = ("mke2fs", "-n", "-t", "ext4", "-O", "dirdata", re.compile("/.*/file"))
    run = fake(
        [(asked, there), (probe, Result(1, "", "mke2fs 1.47.0 (5-Feb-2023)\nInvalid filesystem option set: dirdata\n"))]
    )
    found = inspect(run, node({}), families=families, modules=[])
    assert found["todo"] == ["e2fsprogs"] and found["e2fsprogs"] == {
        "lustre_aware": False,
        "version": "1.47.0",
        "library": None,
    }
    assert "no Lustre target on ldiskfs can be formatted" in found["problems"][0]["text"]
    run = fake([(asked, there), (probe, ToolMissing("mke2fs"))])
    assert inspect(run, node({}), families=families, modules=[])["todo"] == ["e2fsprogs"]


def test_dkms_failures_show_the_end_of_the_log(fake, node):
    log = "".join(f"line {number}\n" for number in range(100)) + "error: implicit declaration\n"
    root = node({"var/lib/dkms/lustre-client-modules/2.17.0/build/make.log": log})
    run = fake([(DPKG, WHOLE), (MODINFO, NOT_FOUND), (("dkms", "status"), "lustre-client-modules/2.17.0: added\n")])
    found = inspect(run, root, dkms=True)
    assert found["todo"] == ["modules", "dkms"]
    assert found["dkms"][0]["state"] == "not built" and len(found["dkms"][0]["log_tail"]) == dkms.TAIL
    text = found["problems"][-1]["text"]
    assert "error: implicit declaration" in text and "line 50" not in text
    assert text.endswith(f"`dkms install lustre-client-modules/2.17.0 -k {KERNEL}`.")


def test_the_running_kernel_of_el_is_to_be_locked(fake, node):
    kernel = "5.14.0-570.el9.x86_64"
    argv = ("rpm", "-qa", "--qf", "%{NAME}\t%{VERSION}-%{RELEASE}\t%{ARCH}\tii\n",
            "kmod-lustre-client", "lustre-client", f"kernel-devel-{kernel}", "kernel-core")  # fmt: skip
    there = (
        "kmod-lustre-client\t2.17.0-1.el9\tx86_64\tii\nlustre-client\t2.17.0-1.el9\tx86_64\tii\nkernel-devel\t5.14.0-570.el9\tx86_64\tii\n"
        "kernel-core\t5.14.0-570.el9\tx86_64\tii\nkernel-core\t5.14.0-503.el9\tx86_64\tii\n"
    )
    found = inspect(fake([(argv, there), (MODINFO, modinfo(kernel))]), node({}, "redhat"), kernel)
    assert found["todo"] == ["held"] and found["kernel_packages"] == {"kernel-core": "5.14.0-570.el9"}
    locked = {"etc/dnf/plugins/versionlock.list": "kernel-core-0:5.14.0-570.el9.*\n"}
    found = inspect(fake([(argv, there), (MODINFO, modinfo(kernel))]), node(locked, "redhat"), kernel)
    assert found["todo"] == [] and found["held"] == ["kernel-core"]


def test_mounts_are_told(fake, node):
    root = node({"proc/self/mounts": "10.0.0.1@tcp:/fs1 /mnt/fs1 lustre rw 0 0\n/dev/sda / ext4 rw 0 0\n"})
    assert inspect(fake([(DPKG, WHOLE), (MODINFO, modinfo())]), root)["mounts"] == ["/mnt/fs1"]


def test_basics(fake, node):
    files = {
        "etc/updatedb.conf": 'PRUNE_BIND_MOUNTS="yes"\n# PRUNEFS="x"\nPRUNEFS="NFS lustre"\n',
        "etc/hostid": "\0\0\0\0",
    }
    states = Result(3, "inactive\n" * len(TIME_SERVICES), "")
    run = fake([(DPKG, WHOLE), (MODINFO, modinfo()), (("systemctl", "is-active", *TIME_SERVICES), states)])
    basics = inspect(run, node(files), basics=["time", "updatedb", "hostid"])["basics"]
    assert basics["todo"] == ["time", "updatedb", "hostid"] and len(basics["warnings"]) == 3
    assert basics["updatedb"]["prunefs"] == ["NFS", "lustre", "lustre_tgt"]
    assert basics["hostid"] == {"hostid": None}


def test_basics_that_are_met(fake, node):
    root = node({"etc/hostid": "\1\2\3\4"})
    states = Result(0, "active\n" + "inactive\n" * (len(TIME_SERVICES) - 1), "")
    run = fake([(DPKG, WHOLE), (MODINFO, modinfo()), (("systemctl", "is-active", *TIME_SERVICES), states)])
    basics = inspect(run, root, basics=["time", "updatedb", "hostid"])["basics"]
    assert basics["todo"] == [] and basics["time"] == {"services": [TIME_SERVICES[0]]}
    assert basics["updatedb"]["configured"] is False and basics["hostid"]["hostid"] == "04030201"


def test_what_cannot_be_looked_at_is_said(fake, node):
    with pytest.raises(LustreError, match="neither of the Debian"):
        inspect(fake([]), node({"etc/os-release": "ID=arch\nPRETTY_NAME=Arch\n"}))
    with pytest.raises(BadValue, match=r"families\.debian\.package: there is no such option"):
        inspect(fake([]), node({}), families={"debian": {"package": ["lustre"]}})
    with pytest.raises(BadValue, match=r"families\.debian: nothing is said"):
        inspect(fake([]), node({}), families={"suse": {}})
    found = inspect(fake([]), node({}), families={"debian": {"unavailable": "There are none."}}, modules=[])
    assert found["problems"] == [{"code": "unavailable", "text": "There are none."}]
