# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A machine that cannot carry a rehearsal is told in one sentence, with exit code 3."""

from __future__ import annotations

import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from rehearsal.hosts import doctor

ROOT = Path(__file__).resolve().parents[2]

# What is taken away (in a mount namespace of its own), and how the sentence begins.
LACKING = {
    "not root": ("", "The rehearsal needs root, and this is user id 65534: run it with sudo."),
    "another system": (
        "mount --bind {tmp}/os-release /etc/os-release",
        "The rehearsal needs Debian or Ubuntu, for the tools that it installs with apt, and this is Rocky Linux 9.4: use a",
    ),
    "no cgroup v2": (
        "grep -v cgroup2 /proc/filesystems > {tmp}/fs; mount --bind {tmp}/fs /proc/filesystems",
        "The rehearsal needs cgroup2 (the systemd of the hosts lives in it), and this kernel has none: use a",
    ),
    "no overlays": (
        "grep -v overlay /proc/filesystems > {tmp}/fs; mount --bind {tmp}/fs /proc/filesystems",
        "The rehearsal needs overlay (the hosts share one base root by it), and this kernel has none: use a",
    ),
    "no loop devices": (
        "mount -t tmpfs none {tmp}; mount --move /dev {tmp}; mount -t tmpfs none /dev; cp -a {tmp}/null {tmp}/urandom /dev",
        "The rehearsal needs loop devices (the hosts' disks), and /dev/loop-control does not exist here: use a",
    ),
    "something over FUSE": (
        "touch {tmp}/file; mount --bind {tmp}/file /dev/fuse",
        "The rehearsal needs FUSE (simulated mounts are FUSE file systems), and /dev/fuse is not a device",
    ),
    "no room": (
        "mount -t tmpfs -o size=64M none {tmp}; export LUSTRE_CORE_STATE={tmp}/state",
        "The rehearsal needs 3 GiB of disk at {tmp}, and 0.1 GiB are free: free some, or name another place in LUSTRE_CORE_STATE.",
    ),
}


@pytest.mark.live
@pytest.mark.parametrize("case", LACKING)
def test_what_is_missing_is_one_sentence(case: str, tmp_path: Path) -> None:
    prepare, sentence = (text.replace("{tmp}", str(tmp_path)) for text in LACKING[case])
    (tmp_path / "os-release").write_text('ID=rocky\nID_LIKE="rhel fedora"\nPRETTY_NAME="Rocky Linux 9.4"\n')
    doctor_argv = [sys.executable, "-m", "rehearsal.hosts", "doctor"]
    if case == "not root":
        # -B: nobody may not write byte code; the interpreter itself may lie in a folder closed to others
        code = "import os,sys; sys.path.insert(0,'.'); from rehearsal.hosts.cli import main; os.setuid(65534); sys.exit(main(['doctor']))"
        doctor_argv = [sys.executable, "-B", "-c", code]
    script = f"set -e; {prepare or ':'}; exec {shlex.join(doctor_argv)}"
    argv = ["unshare", "--mount", "--propagation", "private", "bash", "-c", script]
    done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout) == (3, ""), done.stderr
    assert done.stderr.startswith(sentence)
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.live
def test_this_machine_can() -> None:
    doctor.check()
