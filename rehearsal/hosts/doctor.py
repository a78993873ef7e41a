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
from typing import Callable, NamedTuple

from rehearsal.hosts import base, kernel
from rehearsal.hosts.errors import NotHere, RehearsalError
from rehearsal.hosts.layout import cache_root, state_root

ELSEWHERE = (
    "use a virtual machine with Debian 12 or Ubuntu and root, or run the playbooks against test machines of your own "
    "(docs/rehearsal.md, Limits)"
)
# program -> Debian package
TOOLS = {
    "mmdebstrap": "mmdebstrap", "systemd-nspawn": "systemd-container", "ip": "iproute2", "unshare": "util-linux",
    "nsenter": "util-linux", "ssh": "openssh-client", "ssh-keygen": "openssh-client",
}  # fmt: skip
_KEYRING_PACKAGE = "debian-archive-keyring"
_SPACE = 3 * 2**30


class Problem(NamedTuple):
    """What is missing here, and what to do about it."""

    what: str
    remedy: str = ELSEWHERE


Check = Callable[[], Problem | None]


def _root() -> Problem | None:
    return Problem(f"needs root, and this is user id {os.geteuid()}", "run it with sudo") if os.geteuid() else None


def _system() -> Problem | None:
    if sys.platform != "linux":
        return Problem(f"needs Linux, and this is {platform.system()}")
    wanted = "needs Debian or Ubuntu, for the tools that it installs with apt"
    try:
        words = platform.freedesktop_os_release()
    except OSError:
        return Problem(f"{wanted}, and this system does not say what it is (/etc/os-release)")
    if {"debian", "ubuntu"} & {words.get("ID", ""), *words.get("ID_LIKE", "").split()} and shutil.which("apt-get"):
        return None
    return Problem(f"{wanted}, and this is {words.get('PRETTY_NAME', 'another system')}")


def _file_system(name: str, why: str) -> Check:
    def check() -> Problem | None:
        if not _known_file_system(name):
            _load(name)
        return None if _known_file_system(name) else Problem(f"needs {name} ({why}), and this kernel has none")

    return check


def _known_file_system(name: str) -> bool:
    return any(line.split()[-1] == name for line in Path("/proc/filesystems").read_text().splitlines())


def _load(module: str) -> None:
    if shutil.which("modprobe"):
        subprocess.run(["modprobe", module], capture_output=True, check=False)


def _device(node: str, module: str, why: str) -> Check:
    def check() -> Problem | None:
        if _unusable(node):
            _load(module)
        problem = _unusable(node)
        return Problem(f"needs {why}, and {node} {problem}") if problem else None

    return check


def _unusable(node: str) -> str:
    try:
        mode = os.stat(node).st_mode
    except FileNotFoundError:
        return "does not exist here"
    except OSError as error:  # a mount that lies over it, for instance
        return f"cannot be used ({error.strerror})"
    return "" if stat.S_ISCHR(mode) else "is not a device (is something mounted over it?)"


def _space() -> Problem | None:
    for place, variable in ((state_root(), "LUSTRE_CORE_STATE"), (cache_root(), "LUSTRE_CORE_CACHE")):
        existing = next(path for path in [place, *place.parents] if path.exists())
        free = shutil.disk_usage(existing).free
        if free < _SPACE:
            what = f"needs {_SPACE >> 30} GiB of disk at {existing}, and {free / 2**30:.1f} GiB are free"
            return Problem(what, f"free some, or name another place in {variable}")
    return None


def _namespaces() -> Problem | None:
    """Try the real thing, in a child: an overlay where the hosts' roots would be, a bridge, a veth pair."""
    receive, send = os.pipe()
    child = os.fork()
    if child == 0:
        text = "needs namespaces, mounts and network interfaces of its own, and trying them failed"
        with contextlib.suppress(Exception):
            text = _attempt()
        os.write(send, text.encode())
        os._exit(0)
    os.close(send)
    os.waitpid(child, 0)
    with open(receive, encoding="utf-8") as answer:
        text = answer.read()
    return Problem(text) if text else None


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
        return f"needs to mount overlays at {state_root()}, and that fails here ({error}; inside a container it mostly does)"
    try:
        kernel.unshare(kernel.CLONE_NEWNET)
    except OSError as error:
        return f"needs network namespaces, and this machine refuses them ({error.strerror})"
    if not shutil.which("ip"):  # not installed yet: the kernel's part cannot be asked for
        return ""
    text = "link add name br0 type bridge\nlink add name p0 type veth peer name p1\n"
    done = subprocess.run(["ip", "-batch", "-"], input=text, capture_output=True, text=True, check=False)
    return "" if done.returncode == 0 else f"needs bridges and veth pairs, and the kernel says {done.stderr.strip()}"


CHECKS: tuple[Check, ...] = (
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
            raise NotHere(f"The rehearsal {problem.what}: {problem.remedy}.")


def missing_packages() -> list[str]:
    missing = {package for program, package in TOOLS.items() if not shutil.which(program)}
    if not Path(base.KEYRING).exists():
        missing.add(_KEYRING_PACKAGE)
    return sorted(missing)


def ensure_tools(say: Callable[[str], None]) -> None:
    """Install the Debian packages that the rehearsal needs on this machine."""
    missing = missing_packages()
    if not missing:
        return
    say(f"installing {', '.join(missing)}")
    install = ["install", "-y", "-q", "--no-install-recommends", "-o", "DPkg::Lock::Timeout=120", *missing]
    if _apt(install).returncode == 0:
        return
    _apt(["update", "-q"])  # the lists may be absent or old: then once more
    done = _apt(install)
    if done.returncode != 0:
        said = " / ".join(done.stderr.strip().splitlines()[-3:])
        raise RehearsalError(
            f"Could not install {', '.join(missing)}: apt-get said: {said}. Install them yourself, then run it again."
        )


def _apt(words: list[str]) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C.UTF-8"}
    argv = ["apt-get", *words]
    return subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, env=environment, check=False)
