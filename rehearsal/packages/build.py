# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Builds the Debian packages of the simulated Lustre, under the real names, and a repository of them.

The packages carry the real names and conflicts (servers and clients cannot be installed together, modules belong to
one kernel), so that the packages role meets what it meets on real nodes. ``e2fsprogs`` is Debian's own, fetched from
the machine's configured sources and repacked with a ``mke2fs`` that accepts Lustre's features; so is ``cryptsetup-bin``, with a
``cryptsetup`` that opens containers without a device mapper.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from rehearsal.packages import flat
from rehearsal.packages.flat import BuildError

HERE = Path(__file__).resolve().parent
SIM = HERE.parent / "lustre_sim"
VERSION = "2.17.0-1"
VERSION_KERNEL = "1"
E2FSPROGS = "1.47.3-wc1"
CRYPTSETUP = "2.6.1-rehearsal"
SYSTEMD_CRYPTSETUP = "lib/systemd/systemd-cryptsetup"
ORIGIN = "Lustre rehearsal"
LIB = "usr/lib/lustre-sim/lustre_sim"

#: tool → where the package puts it; (diverted) tools replace one of the host's own
COMMON_TOOLS = {
    "lctl": "usr/sbin/lctl",
    "lfs": "usr/bin/lfs",
    "lnetctl": "usr/sbin/lnetctl",
    "lustre_rmmod": "usr/sbin/lustre_rmmod",
    "mount.lustre": "sbin/mount.lustre",
    "lustre-simd": "usr/sbin/lustre-simd",
    "lgss_sk": "usr/sbin/lgss_sk",
    "lgss_keyring": "usr/sbin/lgss_keyring",
}
SERVER_TOOLS = {
    "mkfs.lustre": "usr/sbin/mkfs.lustre",
    "tunefs.lustre": "usr/sbin/tunefs.lustre",
    "l_getidentity": "usr/sbin/l_getidentity",
    "lsvcgssd": "usr/sbin/lsvcgssd",
    "l_getauth": "usr/sbin/l_getauth",
}
DIVERTED = {
    "modprobe": ["sbin/modprobe"],
    "modinfo": ["sbin/modinfo"],
    "lsmod": ["sbin/lsmod", "bin/lsmod"],
    "keyctl": ["bin/keyctl"],
}


def repository(cache: Path) -> Path:
    """The folder of an up-to-date repository below ``cache``; built when the simulation changed."""
    cache.mkdir(parents=True, exist_ok=True)
    kernel = os.uname().release
    folder = cache / f"lustre-{_digest(kernel)}"
    with open(cache / ".lock", "w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "Packages.gz").exists():
            with tempfile.TemporaryDirectory(dir=cache, prefix=".building-") as work:
                build_all(Path(work), Path(work) / "out", kernel)
                shutil.rmtree(folder, ignore_errors=True)
                os.replace(Path(work) / "out", folder)
            _forget_old(cache, folder)
    return folder


def _digest(kernel: str) -> str:
    digest = hashlib.sha256(kernel.encode())
    for path in sorted([*_files(SIM), *_files(HERE)]):
        digest.update(str(path.relative_to(HERE.parent)).encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:12]


def _files(folder: Path) -> Iterator[Path]:
    for path in folder.rglob("*"):
        if path.is_file() and not path.is_symlink() and "__pycache__" not in path.parts:
            yield path


def _forget_old(cache: Path, keep: Path) -> None:
    """What was built more than a day ago goes; a younger one may still be shown to the hosts of a running site."""
    for path in cache.glob("lustre-*"):
        if path != keep and time.time() - path.stat().st_mtime > 86400:
            shutil.rmtree(path, ignore_errors=True)


def build_all(work: Path, out: Path, kernel: str) -> None:
    out.mkdir(parents=True)
    for kind, other in (("server", "client"), ("client", "server")):
        tools = {**COMMON_TOOLS, **(SERVER_TOOLS if kind == "server" else {})}
        _utils(work / f"{kind}-utils", out, kind, other, tools)
        _modules(work / f"{kind}-modules", out, kind, other, kernel)
    _kernel(work / "kernel", out, kernel)
    _e2fsprogs(work / "e2fsprogs", out)
    _cryptsetup(work / "cryptsetup", out)
    flat.index(out, ORIGIN)


def _utils(tree: Path, out: Path, kind: str, other: str, tools: Mapping[str, str]) -> None:
    """Tools, the daemon that plays the kernel, the unit and the configuration file of LNet."""
    target = tree / LIB
    shutil.copytree(SIM, target, symlinks=True, ignore=shutil.ignore_patterns("__pycache__", "*.md", "*.pyc"))
    for tool, place in tools.items():
        _link_tool(tree, place, tool)
    for tool, places in DIVERTED.items():
        for place in places:
            _link_tool(tree, place, tool)
    _put(tree, "lib/systemd/system/lnet.service", (HERE / "files/lnet.service").read_bytes())
    _put(tree, "lib/systemd/system/lustre-simd.service", (SIM / "systemd/lustre-simd.service").read_bytes())
    _put(tree, "etc/lnet.conf", (HERE / "files/lnet.conf").read_bytes())
    _put(tree, "etc/request-key.d/lgssc.conf", (HERE / "files/lgssc.conf").read_bytes())
    _put(tree, "DEBIAN/conffiles", b"/etc/lnet.conf\n/etc/request-key.d/lgssc.conf\n")
    if kind == "server":
        _put(tree, "lib/systemd/system/lsvcgss.service", (HERE / "files/lsvcgss.service").read_bytes())
        _put(tree, "usr/bin/lsvcgss_sysd", (HERE / "files/lsvcgss_sysd").read_bytes(), 0o755)
    name = f"lustre-{kind}-utils"
    places = [place for given in DIVERTED.values() for place in given]
    _put(tree, "DEBIAN/preinst", _diversions(name, places, add=True), 0o755)
    _put(tree, "DEBIAN/postrm", _diversions(name, places, add=False), 0o755)
    _put(tree, "DEBIAN/postinst", b"#!/bin/sh\nset -e\nsystemctl daemon-reload >/dev/null 2>&1 || true\n", 0o755)
    against = f"lustre-{other}-utils"
    fields = {
        "Depends": "python3, kmod, e2fsprogs, keyutils, libgssapi-krb5-2, libkrb5-3",
        "Conflicts": against,
        "Replaces": against,
        "Description": f"Lustre {kind} tools (simulated, for rehearsals)",
    }
    _pack(tree, out, name, VERSION, fields)


def _link_tool(tree: Path, place: str, tool: str) -> None:
    path = tree / place
    path.parent.mkdir(parents=True, exist_ok=True)
    path.symlink_to(f"/{LIB}/bin/{tool}")
    launcher = tree / LIB / "bin" / tool
    if not launcher.is_symlink():
        launcher.symlink_to("launch")


def _diversions(package: str, places: Iterable[str], add: bool) -> bytes:
    """dpkg-divert for the host's own programs that the simulation stands in front of."""
    when = '[ "$1" = install ] || [ "$1" = upgrade ]' if add else '[ "$1" = remove ] || [ "$1" = abort-install ]'
    verb = "--add" if add else "--remove"
    lines = [f"  dpkg-divert --package {package} {verb} --rename --divert /{place}.real /{place}" for place in places]
    return "\n".join(["#!/bin/sh", "set -e", f"if {when}; then", *lines, "fi", ""]).encode()


def _modules(tree: Path, out: Path, kind: str, other: str, kernel: str) -> None:
    """A marker per module: the simulated modinfo and modprobe look for them under the running kernel."""
    for module in (
        "libcfs",
        "lnet",
        "ksocklnd",
        "ptlrpc",
        "lustre",
        "ptlrpc_gss",
        *(("mdt", "ofd", "mgs") if kind == "server" else ()),
    ):
        _put(
            tree, f"lib/modules/{kernel}/updates/kernel/fs/lustre/{module}.ko", f"simulated module {module}\n".encode()
        )
    fields = {
        "Depends": f"linux-image-{kernel}",
        "Provides": f"lustre-{kind}-modules",
        "Conflicts": f"lustre-{other}-modules-{kernel}",
        "Replaces": f"lustre-{other}-modules-{kernel}",
        "Recommends": f"lustre-{kind}-utils",
        "Description": f"Lustre {kind} kernel modules for {kernel} (simulated, for rehearsals)",
    }
    _pack(tree, out, f"lustre-{kind}-modules-{kernel}", VERSION, fields)


def _kernel(tree: Path, out: Path, kernel: str) -> None:
    """The running kernel as a package, as on real hosts: what a role holds at its version. It boots nothing."""
    _put(tree, f"boot/vmlinuz-{kernel}", b"simulated kernel\n")
    fields = {"Description": f"Linux {kernel} (simulated, for rehearsals)"}
    _pack(tree, out, f"linux-image-{kernel}", VERSION_KERNEL, fields)


def _e2fsprogs(tree: Path, out: Path) -> None:
    """Debian's e2fsprogs under a Lustre-aware version, its mke2fs and debugfs behind those of ``files/``."""
    unpacked = _fetched(tree, "e2fsprogs")
    for tool in ("debugfs", "mke2fs"):
        real = next(path for path in (unpacked / "sbin" / tool, unpacked / "usr/sbin" / tool) if path.exists())
        os.rename(real, real.with_name(f"{tool}.real"))
        shutil.copy2(HERE / "files" / tool, real)
    for name in ("mkfs.ext2", "mkfs.ext3", "mkfs.ext4"):
        link = real.with_name(name)
        link.unlink(missing_ok=True)
        link.symlink_to("mke2fs.real")
    _repacked(unpacked, out, "e2fsprogs", E2FSPROGS)


def _cryptsetup(tree: Path, out: Path) -> None:
    """Debian's cryptsetup-bin, its program behind the one of ``files/``, which systemd calls at boot, too; and what it needs."""
    unpacked = _fetched(tree, "cryptsetup-bin")
    for deb in _download(tree, "libpopt0"):
        shutil.copy2(deb, out / deb.name)
    real = next(path for path in (unpacked / "sbin/cryptsetup", unpacked / "usr/sbin/cryptsetup") if path.exists())
    os.rename(real, real.with_name("cryptsetup.real"))
    for place in (str(real.relative_to(unpacked)), SYSTEMD_CRYPTSETUP):
        _put(unpacked, place, (HERE / "files/cryptsetup").read_bytes(), 0o755)
    _put(unpacked, "DEBIAN/preinst", _diversions("cryptsetup-bin", [SYSTEMD_CRYPTSETUP], add=True), 0o755)
    _put(unpacked, "DEBIAN/postrm", _diversions("cryptsetup-bin", [SYSTEMD_CRYPTSETUP], add=False), 0o755)
    _repacked(unpacked, out, "cryptsetup-bin", CRYPTSETUP)


def _download(tree: Path, package: str) -> list[Path]:
    fetched = _run(["apt-get", "-qq", "download", package], cwd=tree)
    debs = list(tree.glob(f"{package}_*.deb"))
    if fetched.returncode != 0 or not debs:
        raise BuildError(
            f"apt-get could not download the package {package}, which the rehearsal's packages are made from. "
            f"Run `apt-get update` and look at the apt sources. It said: {fetched.stderr.strip()[-400:]}"
        )
    return debs


def _fetched(tree: Path, package: str) -> Path:
    """A package of Debian's, unpacked."""
    tree.mkdir()
    unpacked = tree / "unpacked"
    _checked(["dpkg-deb", "-R", str(_download(tree, package)[0]), str(unpacked)])
    return unpacked


def _repacked(unpacked: Path, out: Path, package: str, version: str) -> None:
    control = unpacked / "DEBIAN/control"
    lines = [
        f"Version: {version}" if line.startswith("Version:") else line for line in control.read_text().splitlines()
    ]
    control.write_text("\n".join(lines) + "\n")
    (unpacked / "DEBIAN/md5sums").unlink(missing_ok=True)
    target = out / f"{package}_{version}_amd64.deb"
    _checked(["dpkg-deb", "--root-owner-group", "-Znone", "-b", str(unpacked), str(target)])


def _put(tree: Path, place: str, content: bytes, mode: int = 0o644) -> None:
    path = tree / place
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    path.chmod(mode)


def _pack(tree: Path, out: Path, name: str, version: str, fields: Mapping[str, str]) -> None:
    control = {
        "Package": name,
        "Version": version,
        "Architecture": "all",
        "Maintainer": "lustre.core contributors <lustre-core@localhost>",
        "Section": "admin",
        "Priority": "optional",
        **fields,
    }
    _put(tree, "DEBIAN/control", "".join(f"{key}: {value}\n" for key, value in control.items()).encode())
    _checked(["dpkg-deb", "--root-owner-group", "-Znone", "-b", str(tree), str(out / f"{name}_{version}_all.deb")])


def _run(words: list[str], cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(words, cwd=cwd, capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False)


def _checked(words: list[str]) -> str:
    done = _run(words)
    if done.returncode != 0:
        raise BuildError(f"`{' '.join(words)}` failed with exit code {done.returncode}: {done.stderr.strip()[-400:]}")
    return done.stdout
