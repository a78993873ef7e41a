# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Can this machine carry a rehearsal?  One sentence on what is missing and what to do instead."""

from __future__ import annotations

import contextlib
import os
import platform
import shutil
import stat
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Callable

from rehearsal.hosts import kernel
from rehearsal.hosts.errors import NotHere, RehearsalError
from rehearsal.hosts.layout import cache_root, state_root

INSTEAD = (
    "Use a Debian 12 or Ubuntu virtual machine with root instead, or run the playbooks against test machines "
    "of your own (docs/rehearsal.md, section Limits)."
)
# program -> Debian package
TOOLS = {
    "mmdebstrap": "mmdebstrap", "systemd-nspawn": "systemd-container", "ip": "iproute2", "unshare": "util-linux",
    "nsenter": "util-linux", "ssh": "openssh-client", "ssh-keygen": "openssh-client",
}  # fmt: skip
_KEYRING_PACKAGE = "debian-archive-keyring"
_SPACE = 3 * 2**30


def _root() -> str:
    return "" if os.geteuid() == 0 else f"needs root, and this is user id {os.geteuid()}: run it with sudo"


def _system() -> str:
    if sys.platform != "linux":
        return f"needs Linux, and this is {platform.system()}"
    with contextlib.suppress(OSError):
        words = platform.freedesktop_os_release()
        if {"debian", "ubuntu"} & {words.get("ID", ""), *words.get("ID_LIKE", "").split()} and shutil.which("apt-get"):
            return ""
        return f"needs Debian or Ubuntu (it installs its tools with apt), and this is {words.get('PRETTY_NAME', 'another one')}"
    return "needs Debian or Ubuntu, and this system does not say what it is (/etc/os-release)"


def _file_system(name: str, why: str) -> Callable[[], str]:
    def check() -> str:
        if not _known_file_system(name) and shutil.which("modprobe"):
            subprocess.run(["modprobe", name], capture_output=True, check=False)
        return "" if _known_file_system(name) else f"needs {name} in the kernel ({why}), and this kernel has none"

    return check


def _known_file_system(name: str) -> bool:
    return any(line.split()[-1] == name for line in Path("/proc/filesystems").read_text().splitlines())


def _device(node: str, module: str, why: str) -> Callable[[], str]:
    def check() -> str:
        problem = _unusable(node)
        if problem and shutil.which("modprobe"):
            subprocess.run(["modprobe", module], capture_output=True, check=False)
            problem = _unusable(node)
        return f"needs {why}, and {node} {problem}" if problem else ""

    return check


def _unusable(node: str) -> str:
    try:
        mode = os.stat(node).st_mode
    except FileNotFoundError:
        return "does not exist here"
    except OSError as error:  # a mount that lies over it, for instance
        return f"cannot be used ({error.strerror})"
    return "" if stat.S_ISCHR(mode) else "is not a device (is something mounted over it?)"


def _space() -> str:
    for place in (state_root(), cache_root()):
        existing = next(path for path in [place, *place.parents] if path.exists())
        if shutil.disk_usage(existing).free < _SPACE:
            return f"needs {_SPACE >> 30} GiB of free disk at {existing}: free some, or set LUSTRE_CORE_STATE and LUSTRE_CORE_CACHE"
    return ""


def _namespaces() -> str:
    """Try the real thing in a child: mount an overlay where the hosts' roots would be, make a bridge and a veth pair."""
    receive, send = os.pipe()
    child = os.fork()
    if child == 0:
        text = "may not make namespaces, mounts and network interfaces"
        with contextlib.suppress(BaseException):
            text = _attempt()
        os.write(send, text.encode())
        os._exit(0)
    os.close(send)
    os.waitpid(child, 0)
    with open(receive, encoding="utf-8") as answer:
        return answer.read()


def _attempt() -> str:
    try:
        kernel.private_mounts()
        state_root().mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".doctor-", dir=state_root()) as name:
            top = Path(name)
            for part in ("lower", "upper", "work", "root"):
                (top / part).mkdir()
            options = f"lowerdir={top / 'lower'},upperdir={top / 'upper'},workdir={top / 'work'}"
            kernel.mount("overlay", top / "root", "overlay", 0, options)
            kernel.unmount(top / "root")
    except OSError as error:
        return f"needs to mount overlays at {state_root()}, which does not work here ({error}); inside a container it rarely does"
    try:
        kernel.unshare(kernel.CLONE_NEWNET)
    except OSError as error:
        return f"needs network namespaces, which this machine refuses ({error.strerror})"
    if not shutil.which("ip"):  # not installed yet: the kernel's part cannot be asked for
        return ""
    text = "link add name br0 type bridge\nlink add name p0 type veth peer name p1\n"
    done = subprocess.run(["ip", "-batch", "-"], input=text, capture_output=True, text=True, check=False)
    return (
        ""
        if done.returncode == 0
        else f"needs bridges and veth pairs, which the kernel refuses ({done.stderr.strip()})"
    )


CHECKS: tuple[Callable[[], str], ...] = (
    _system,
    _root,
    _file_system("cgroup2", "the systemd of the hosts lives in it"),
    _file_system("overlay", "the hosts share one base root by it"),
    _device("/dev/loop-control", "loop", "loop devices (the hosts' disks)"),
    _device("/dev/fuse", "fuse", "FUSE (simulated mounts are FUSE file systems)"),
    _space,
    _namespaces,
)


def check() -> None:
    """Raise ``NotHere`` with the first thing that is missing."""
    for examine in CHECKS:
        if problem := examine():
            raise NotHere(f"The rehearsal {problem}. {INSTEAD}")


def missing_packages() -> list[str]:
    missing = {package for program, package in TOOLS.items() if not shutil.which(program)}
    if not Path("/usr/share/keyrings/debian-archive-keyring.gpg").exists():
        missing.add(_KEYRING_PACKAGE)
    return sorted(missing)


def ensure_tools(say: Callable[[str], None]) -> None:
    """Install the Debian packages that the rehearsal needs on this machine."""
    missing = missing_packages()
    if not missing:
        return
    say(f"installing {', '.join(missing)}")
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C.UTF-8"}
    install = ["apt-get", "install", "-y", "-q", "--no-install-recommends", "-o", "DPkg::Lock::Timeout=120", *missing]
    done = None
    for argv in (install, ["apt-get", "update", "-q"], install):  # the lists may be absent or old: then once more
        done = subprocess.run(
            argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, env=environment, check=False
        )
        if argv is install and done.returncode == 0:
            return
    said = " / ".join((done.stderr if done else "").strip().splitlines()[-3:])
    raise RehearsalError(
        f"Could not install {', '.join(missing)} by apt-get, which said: {said}. Install them yourself, then run it again."
    )
