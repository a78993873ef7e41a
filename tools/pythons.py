#!/usr/bin/env python3
# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Build a newer Python from Debian's own source package, on a machine that has none.

The newest ansible-core wants a Python that Debian 12 does not have.  The next Debian
release does, and its source package builds here in about three minutes; the result lives
in the cache and touches nothing of the system.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

#: Python → the Debian release whose archive has its source
RELEASES = {"3.13": "trixie"}
KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
BUILD_NEEDS = "build-essential dpkg-dev libbz2-dev libffi-dev liblzma-dev libsqlite3-dev libssl-dev pkg-config xz-utils zlib1g-dev"


def can_build(version: str) -> bool:
    return version in RELEASES and os.geteuid() == 0 and bool(shutil.which("apt-get")) and Path(KEYRING).exists()


def build(version: str, prefix: Path) -> Path:
    """The interpreter, built into ``prefix``; exits with a sentence when a step fails."""
    print(
        f"Building Python {version} from Debian's source (once, about three minutes) ...", file=sys.stderr, flush=True
    )
    with tempfile.TemporaryDirectory(prefix="lustre-core-python-") as folder:
        work = Path(folder)
        _checked(["apt-get", "-qq", "update"], work)
        _checked(
            [
                "apt-get",
                "-qq",
                "-y",
                "-o",
                "DPkg::Lock::Timeout=300",
                "install",
                "--no-install-recommends",
                *BUILD_NEEDS.split(),
            ],
            work,
        )
        source = _source(version, work)
        _checked(["./configure", f"--prefix={prefix}", "--with-ensurepip=install", "--disable-test-modules"], source)
        _checked(["make", f"-j{os.cpu_count()}"], source)
        _checked(["make", "install"], source)
    return prefix / "bin" / f"python{version}"


def _source(version: str, work: Path) -> Path:
    """Fetch and unpack the source package from the archive that this machine's apt already uses."""
    sources = work / "source.sources"
    fields = {
        "Types": "deb-src",
        "URIs": _archive(),
        "Suites": RELEASES[version],
        "Components": "main",
        "Signed-By": KEYRING,
    }
    sources.write_text("".join(f"{key}: {value}\n" for key, value in fields.items()), encoding="utf-8")
    (work / "lists" / "partial").mkdir(parents=True)
    apt = ["apt-get", "-qq"]
    for option in (f"Dir::Etc::sourcelist={sources}", "Dir::Etc::sourceparts=-", f"Dir::State::lists={work}/lists"):
        apt += ["-o", option]
    _checked([*apt, "update"], work)
    _checked([*apt, "source", "--download-only", f"python{version}"], work)
    tarball = next(work.glob(f"python{version}_*.orig.tar.xz"))
    tree = work / "tree"
    tree.mkdir()
    _checked(["tar", "-xf", str(tarball), "-C", str(tree), "--strip-components=1"], work)
    return tree


def _archive() -> str:
    """The first Debian archive among apt's sources."""
    said = subprocess.run(
        ["apt-get", "indextargets", "--format", "$(SITE) $(ORIGIN) $(CODENAME)"],
        capture_output=True,
        text=True,
        check=False,
    )
    for line in said.stdout.splitlines():
        site, _, rest = line.partition(" ")
        if rest.startswith("Debian "):
            return site
    sys.exit(
        "apt knows no Debian archive, so no newer Python can be built. Install Python 3.12 or newer by hand and run again."
    )


def _checked(words: list[str], cwd: Path) -> None:
    environ = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    done = subprocess.run(
        words,
        cwd=cwd,
        env=environ,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        sys.exit(f"`{' '.join(words[:4])} ...` failed while Python was built. Its last lines:\n{done.stdout[-1500:]}")
