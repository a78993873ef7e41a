# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The secrets of a rehearsal site, found in the places where they belong, and looked for everywhere else.

Used while the site is up: what lies in a host's memory (/run, /tmp) is seen from inside only.
"""

from __future__ import annotations

import base64
import contextlib
import io
import struct
import subprocess
import sys
import tarfile
from collections.abc import Iterable, Iterator
from pathlib import Path

from rehearsal.hosts.layout import HostLayout, Layout
from rehearsal.lustre_sim.shared_key import SIZE, BadKey, SharedKey

from .files import scan, scan_texts
from .spellings import LEAST, Finder, Secret

#: Keytabs, the stash file of a KDC among them; where keys lie for good, and the caches of tickets that hold session keys.
KEYTABS = ("etc/krb5.keytab", "etc/krb5kdc/stash", "root/*.keytab")
SHARED = ("etc/lustre/keys/**/*",)
#: Bytes of a key for encrypted directories, which lies beside the shared ones, in one of three spellings.
RAW = 64
#: Relative to a host's root. Each is looked at all the same: it must be its owner's alone.
ALLOWED = (*KEYTABS, "etc/lustre/*", "var/lib/krb5kdc/*", "var/lib/lustre/*", "tmp/krb5cc_*", "run/lustre-sim/*")
#: What a host has in memory and Ansible or a tool may leave behind there.
MEMORY = ("run", "tmp", "dev/shm", "var/tmp")


class NothingFound(Exception):
    """No secret at all: a search for none would prove nothing."""


def secrets_of(layout: Layout, hosts: Iterable[str], given: Iterable[Secret] = ()) -> list[Secret]:
    """All keys that the hosts of a site keep, each once, and those that the scenario itself gave."""
    found = {secret.value: secret for secret in given}
    for host in hosts:
        for place, value in _kept(layout.host(host)):
            if len(value) >= LEAST:
                found.setdefault(value, Secret(f"a key of {host}:/{place}", value))
    if not found:
        raise NothingFound(
            f"The site {layout.site} keeps no key in any place that is known, so nothing could be looked for."
        )
    return list(found.values())


def _kept(host: HostLayout) -> Iterator[tuple[str, bytes]]:
    for pattern in KEYTABS:
        for path in host.upper.glob(pattern):
            for key in keytab_keys(path.read_bytes()):
                yield str(path.relative_to(host.upper)), key
    for pattern in SHARED:
        for path in host.upper.glob(pattern):
            if path.is_file() and path.stat().st_size <= SIZE:
                for key in _keys_in(path.read_bytes()):
                    yield str(path.relative_to(host.upper)), key


def _keys_in(data: bytes) -> Iterator[bytes]:
    """The key of a file of shared keys, or of one for encrypted directories; nothing of other files."""
    if len(data) == SIZE:
        with contextlib.suppress(BadKey, ValueError):
            yield SharedKey.unpacked(data).key
    else:
        yield from raw_key(data)


def raw_key(data: bytes) -> list[bytes]:
    """A key of 64 bytes as it is, in hexadecimal or in base64: what is searched for is the key, however it is kept."""
    if len(data) == RAW:
        return [data]
    text = b"".join(data.split())
    for read in (bytes.fromhex, lambda letters: base64.b64decode(letters, validate=True)):
        with contextlib.suppress(ValueError):
            key = read(text.decode("ascii"))
            if len(key) == RAW:
                return [key]
    return []


def keytab_keys(data: bytes) -> Iterator[bytes]:
    """The keys of a keytab (format 0x0502): of each record the bytes behind name, time, version and type."""
    at = 2
    while at + 4 <= len(data):
        (length,) = struct.unpack_from(">i", data, at)
        at += 4
        if length > 0:
            yield _key(data[at : at + length])
        at += abs(length)
        if not length:
            return


def _key(record: bytes) -> bytes:
    (count,) = struct.unpack_from(">H", record)
    at = 2
    for _ in range(count + 1):  # the realm comes first
        (size,) = struct.unpack_from(">H", record, at)
        at += 2 + size
    at += 4 + 4 + 1 + 2  # type of the name, time, version, type of the key
    (size,) = struct.unpack_from(">H", record, at)
    return record[at + 2 : at + 2 + size]


def scan_site(
    layout: Layout,
    hosts: Iterable[str],
    given: Iterable[Secret],
    texts: Iterable[tuple[str, bytes]],
    folders: Iterable[Path],
) -> tuple[int, list[str]]:
    """How many secrets were looked for, and every place where one is that must not be.

    ``texts``: outputs and sampled processes; ``folders``: of the controller (temporary files, caches of facts).
    """
    names = list(hosts)
    secrets = secrets_of(layout, names, given)
    finder = Finder(secrets)
    wrong = scan_texts(finder, texts)
    for name in names:
        host = layout.host(name)
        wrong += scan(finder, host.upper, ALLOWED)
        wrong += scan(finder, host.console) if host.console.exists() else []
        wrong += [f"{name}: {text}" for text in _memory(finder, layout.site, name)]
    for folder in folders:
        wrong += scan(finder, folder) if folder.exists() else []
    return len(secrets), sorted(set(wrong))


def _memory(finder: Finder, site: str, host: str) -> list[str]:
    """Files in memory of a host, by the tar of it that the host itself makes; what belongs there is root's alone."""
    argv = [sys.executable, "-m", "rehearsal.hosts", "exec", "--site", site, host, "tar", "-C", "/"]
    argv += ["--exclude=run/systemd/inaccessible", "--warning=none", "--ignore-failed-read", "-cf", "-", *MEMORY]
    done = subprocess.run(argv, cwd=Path(__file__).resolve().parents[2], capture_output=True, check=False)
    wrong = []
    seen = 0
    with tarfile.open(fileobj=io.BytesIO(done.stdout), mode="r|") as archive:
        for member in archive:
            stream = archive.extractfile(member) if member.isreg() else None
            if stream is None:
                continue
            seen += 1
            found = finder.find(stream.read())
            belongs = (
                member.name.startswith(("tmp/krb5cc_", "run/lustre-sim/", "run/credentials/"))
                and not member.mode & 0o077
            )
            if found and not belongs:
                wrong.append(f"/{member.name} (mode {member.mode:04o}) holds {', '.join(found)}.")
    return (
        wrong if seen else [f"nothing of its /{MEMORY[0]} could be read: {done.stderr.decode(errors='replace')[:300]}"]
    )
