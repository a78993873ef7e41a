#!/usr/bin/env python3
# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Install what ``make test`` and ``make demo`` need on a bare Debian 12 machine, or say in one sentence what is missing."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys

#: program -> Debian package that ships it
PROGRAMS = {
    "mmdebstrap": "mmdebstrap",
    "systemd-nspawn": "systemd-container",
    "ip": "iproute2",
    "ssh": "openssh-client",
    "git": "git",
    "nsenter": "util-linux",
    "losetup": "mount",
    "mke2fs": "e2fsprogs",
    "dpkg-deb": "dpkg",
}


def missing() -> list[str]:
    """The Debian packages that are not here yet."""
    path = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"
    wanted = [package for program, package in PROGRAMS.items() if shutil.which(program, path=path) is None]
    if importlib.util.find_spec("ensurepip") is None:
        wanted.append("python3-venv")
    return sorted(set(wanted))


def main() -> None:
    wanted = missing()
    if not wanted:
        return
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        sys.exit(
            f"These Debian packages are needed and cannot be installed from here (not root, or not Debian): {' '.join(wanted)}. "
            "Install them, or run this as root on Debian 12."
        )
    print(f"Installing {' '.join(wanted)} ...", flush=True)
    environ = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    quiet = {"env": environ, "check": False, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    subprocess.run(["apt-get", "-qq", "update"], **quiet)
    done = subprocess.run(
        ["apt-get", "-qq", "-y", "-o", "DPkg::Lock::Timeout=300", "install", "--no-install-recommends", *wanted],
        **quiet,
    )
    if done.returncode != 0 or missing():
        sys.exit(f"apt-get could not install {' '.join(missing())}. It said last:\n{done.stdout[-1500:]}")


if __name__ == "__main__":
    main()
