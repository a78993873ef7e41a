# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Recorded mkfs.lustre, tunefs.lustre, mount and lfs sessions, run against the simulation: exit code, stdout, stderr.

The devices are sparse files with a real ext4, the mounts are real FUSE mounts below the test's folder (root only).
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from difflib import unified_diff
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.rehearsal_sim.support import REHEARSAL, TOOLS, recording, simulated_host

CASES = yaml.safe_load((Path(__file__).parent / "cases" / "storage.yml").read_text(encoding="utf-8"))
INTERFACES = {"eth0": "10.0.2.15/24"}
# what differs from run to run on real Lustre, too
MASKS = (
    (re.compile(r"\bff[0-9a-f]{14}\b"), "INSTANCE"),
    (re.compile(r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b"), "UUID"),
    (re.compile(r" +[\d.]+[KMG]? +[\d.]+[KMG]? +[\d.]+[KMG]? +\d+%"), " N N N N%"),
    (re.compile(r"^(recovery_start|recovery_duration|last_transno|completed_clients|flags: 0x20     gen"
                r"|    nidtbl_version|    notify_\w+): [\d./]+$", re.M), r"\1: N"),
    (re.compile(r"^( *\d+ UP .*) \d+$", re.M), r"\1 REFS"),
)


def shell(command: str, folder: Path) -> str:
    """A recorded command line with this test's devices and folders, and the helper in the place of mount(8)."""
    command = re.sub(r"\bmount -t (lustre\w*) ", "mount.lustre ", command)
    return localised(command, folder)


def localised(text: str, folder: Path) -> str:
    text = text.replace("/dev/vd", f"{folder}/vd").replace("/dev/$", f"{folder}/$")
    return text.replace("/mnt/", f"{folder}/mnt/").replace("/root/", f"{folder}/")


def compared(text: str, folder: Path) -> str:
    text = text.replace(f"{folder}/vd", "/dev/vd").replace(f"{folder}/mnt/", "/mnt/")
    for pattern, replacement in MASKS:
        text = pattern.sub(replacement, text)
    return text


@contextmanager
def host(folder: Path, plain: bool) -> Iterator[dict[str, str]]:
    """A host with blank devices; the environment of its shell."""
    for name, megabytes in CASES["devices"].items():
        with open(folder / name, "wb") as stream:
            stream.truncate(megabytes << 20)
    (folder / "mnt").mkdir()
    path = [str(TOOLS), os.environ["PATH"]]
    if not plain:
        aware = folder / "e2fsprogs"
        aware.mkdir()
        (aware / "mke2fs").write_text((REHEARSAL / "packages/files/mke2fs").read_text(encoding="utf-8"), encoding="utf-8")
        (aware / "mke2fs").chmod(0o755)
        (aware / "mke2fs.real").symlink_to("/sbin/mke2fs")
        path.insert(0, str(aware))
    with simulated_host(folder, INTERFACES) as socket:
        try:
            yield {**os.environ, "LUSTRE_SIM_SOCKET": str(socket), "PATH": ":".join(path), "LC_ALL": "C"}
        finally:
            for mounted in reversed(mounts_below(folder)):
                subprocess.run(["umount", mounted], check=True)


def mounts_below(folder: Path) -> list[str]:
    table = Path("/proc/self/mounts").read_text(encoding="utf-8")
    return [line.split()[1] for line in table.splitlines() if line.split()[1].startswith(f"{folder}/")]


def flat(steps: list[Any]) -> list[str]:
    return [one for step in steps for one in (flat(step) if isinstance(step, list) else [step])]


@pytest.mark.parametrize("scenario", CASES["scenarios"], ids=lambda scenario: scenario["name"])
def test_replay(scenario: dict[str, Any], tmp_path: Path) -> None:
    differences = []
    with host(tmp_path, scenario.get("plain_e2fsprogs", False)) as environment:
        def run(command: str) -> subprocess.CompletedProcess[str]:
            return subprocess.run(
                ["bash", "-c", shell(command, tmp_path)], env=environment, capture_output=True, text=True,
                stdin=subprocess.DEVNULL, timeout=120, check=False)

        for command in flat(scenario["setup"]):
            done = run(command)
            assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
        for name in scenario["replay"]:
            wanted = recording(name)
            done = run(wanted.command)
            pairs = (("rc", wanted.rc, str(done.returncode)), ("stdout", wanted.out, done.stdout),
                     ("stderr", wanted.err, done.stderr))
            differences += [
                "\n".join([f"{name}: {wanted.command}", *unified_diff(
                    compared(want, tmp_path).splitlines(), compared(have, tmp_path).splitlines(),
                    f"recorded {what}", f"simulated {what}", lineterm="")])
                for what, want, have in pairs if compared(want, tmp_path) != compared(have, tmp_path)
            ]
    assert not differences, "\n\n".join(differences)
    assert not mounts_below(tmp_path)


def test_every_recording_is_replayed_or_excused() -> None:
    replayed = [name for scenario in CASES["scenarios"] for name in scenario["replay"]]
    excused = [name for names in CASES["not_replayed"].values() for name in names]
    assert not set(excused) & set(replayed)
    root = Path(__file__).parents[1] / "contract" / "transcripts"
    there = {f"{folder}/{path.stem}" for folder in CASES["covers"] for path in (root / folder).glob("*.txt")}
    assert len(there) > 100
    assert there == {name for name in (*replayed, *excused) if name.split("/")[0] in CASES["covers"]}
