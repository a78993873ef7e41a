# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A flat repository of Debian packages (``deb [trusted=yes] file:DIR ./``): the files that apt wants beside them."""

from __future__ import annotations

import gzip
import hashlib
import subprocess
from pathlib import Path

_BLOCK = 1 << 20


class BuildError(Exception):
    """Something outside of us is missing or broken; the text says what."""


def index(folder: Path, origin: str) -> None:
    """Write ``Packages`` and ``Release`` for the packages in a folder."""
    stanzas = []
    for deb in sorted(folder.glob("*.deb")):
        stanzas.append(f"{_control(deb)}\nFilename: ./{deb.name}\nSize: {deb.stat().st_size}\nSHA256: {_sum(deb)}\n")
    text = "\n".join(stanzas).encode()
    (folder / "Packages").write_bytes(text)
    packed = gzip.compress(text, mtime=0)
    sums = [("Packages", text), ("Packages.gz", packed)]
    lines = [f" {hashlib.sha256(data).hexdigest()} {len(data)} {name}" for name, data in sums]
    release = [
        f"Origin: {origin}",
        f"Label: {origin}",
        "Suite: ./",
        "Date: Thu, 01 Jan 1970 00:00:00 UTC",
        "Architectures: amd64 all",
        "SHA256:",
        *lines,
        "",
    ]
    (folder / "Release").write_text("\n".join(release))
    (folder / "Packages.gz").write_bytes(packed)  # last: its presence says that the repository is whole


def _control(deb: Path) -> str:
    words = ["dpkg-deb", "-f", str(deb)]
    done = subprocess.run(words, capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False)
    if done.returncode != 0:
        raise BuildError(f"`{' '.join(words)}` failed with exit code {done.returncode}: {done.stderr.strip()[-400:]}")
    return done.stdout.strip()


def _sum(path: Path) -> str:
    digest = hashlib.sha256()
    with open(path, "rb") as stream:
        while block := stream.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()
