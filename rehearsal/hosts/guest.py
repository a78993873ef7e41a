# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What makes a host out of the base: its overlay, the files of its identity, its nspawn command."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Iterable

from rehearsal.hosts import base, cgroups, kernel
from rehearsal.hosts.layout import HostLayout, Site
from rehearsal.hosts.spec import Bind, Device, Host

SHARED_IN_HOST = "/var/lib/lustre-sim/site"
PACKAGES_IN_HOST = "/srv/lustre-packages"
REBOOT_WANTED = 133  # nspawn's exit code when the guest asked for a reboot


def mount_root(site: Site, host: Host) -> None:
    """Lay the host's own changes over the base; to be called in the keeper's mount namespace."""
    place = site.layout.host(host.name)
    for directory in (place.upper, place.work, place.root):
        directory.mkdir(parents=True, exist_ok=True)
    options = f"lowerdir={site.base},upperdir={place.upper},workdir={place.work}"
    try:
        # nothing here needs to survive a crash of the machine: syncs inside the hosts cost nothing
        kernel.mount("overlay", place.root, "overlay", 0, f"{options},volatile")
    except OSError:
        kernel.mount("overlay", place.root, "overlay", 0, options)


def hosts_file(site: Site, name: str) -> str:
    """/etc/hosts of a host: there is no name service, and programs wait for one that does not answer."""
    lines = ["127.0.0.1 localhost", "::1 localhost ip6-localhost ip6-loopback"]
    for host in site.spec.hosts:
        short = host.name.partition(".")[0]
        names = host.name if short == host.name else f"{host.name} {short}"
        lines.append(f"{site.addresses[host.name]} {names}")
        for interface in host.interfaces:
            lines += [f"{address.split('/')[0]} {short}-{interface.network}" for address in interface.addresses]
    return "\n".join([*lines, ""])


def device_links(devices: Iterable[tuple[Device, str]]) -> str:
    """The list from which the host's first process makes the stable paths; each device is paired with its node."""
    return "".join(f"{node.removeprefix('/dev/')} {device.path.removeprefix('/dev/')}\n" for device, node in devices)


def personalise(site: Site, host: Host, nodes: dict[str, str], authorized_key: str) -> None:
    """Write the files that make this host itself; ``nodes`` maps device names to loop devices."""
    place = site.layout.host(host.name)
    root = place.root
    links = device_links((device, nodes[device.name]) for device in site.spec.devices_of(host.name))
    _write(root / "etc/hostname", f"{host.name}\n")
    _write(root / "etc/hosts", hosts_file(site, host.name))
    _write(root / "etc/machine-id", place.identity("machine-id", 32) + "\n", 0o444)
    _write(root / "etc/rehearsal-devices", links)
    _write(root / "root/.ssh/authorized_keys", authorized_key, 0o600)
    (root / "root/.ssh").chmod(0o700)
    (root / "etc/hostid").write_bytes(bytes.fromhex(place.identity("hostid", 8)))
    for suffix, mode in (("", 0o600), (".pub", 0o644)):
        target = root / f"etc/ssh/ssh_host_ed25519_key{suffix}"
        shutil.copyfile(f"{place.host_key}{suffix}", target)
        target.chmod(mode)


def _write(path: Path, text: str, mode: int = 0o644) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(mode)


def nspawn_argv(site: Site, host: Host, namespace: str, nodes: Iterable[str]) -> list[str]:
    """The command that boots a host.  No systemd or D-Bus is needed outside."""
    place = site.layout.host(host.name)
    binds = [Bind(str(site.layout.shared), SHARED_IN_HOST, read_only=False), *site.spec.binds, *host.binds]
    if site.spec.packages:
        binds.append(Bind(site.spec.packages, PACKAGES_IN_HOST))
    return [
        "systemd-nspawn", "--quiet", "--kill-signal=SIGRTMIN+3",
        f"--directory={place.root}",
        f"--machine={place.machine_name}", f"--hostname={host.name}",
        "--register=no", "--keep-unit", f"--network-namespace-path={namespace}",
        "--link-journal=no", "--resolv-conf=off", "--timezone=off", "--console=pipe",
        # all that servers need, except the clock, which is the machine's
        "--capability=all", "--drop-capability=CAP_SYS_TIME", "--system-call-filter=@keyring",
        "--bind=/dev/fuse",
        *(f"--bind={node}" for node in nodes),
        *(f"--bind{'-ro' if bind.read_only else ''}={bind.source}:{bind.target}" for bind in binds),
        f"/{base.INIT}",
    ]  # fmt: skip


def nspawn_environment() -> dict[str, str]:
    return {
        "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "LANG": "C.UTF-8",
        "SYSTEMD_NSPAWN_UNIFIED_HIERARCHY": "1",
        "SYSTEMD_NSPAWN_API_VFS_WRITABLE": "network",
    }


def leader(place: HostLayout) -> int | None:
    """Process id of a host's systemd, as the caller's process namespace numbers it; None while there is none."""
    found = []
    for pid in cgroups.processes(place.cgroup):
        try:
            status = Path(f"/proc/{pid}/status").read_text()
        except OSError:
            continue
        numbers = next((line.split()[1:] for line in status.splitlines() if line.startswith("NSpid:")), [])
        if numbers[1:] and numbers[-1] == "1":
            found.append((len(numbers), pid))
    return min(found)[1] if found else None  # namespaces that are made inside the host lie deeper


def enter_argv(leader_pid: int, command: list[str]) -> list[str]:
    """A command inside a host, with an environment as after a login and nothing of the machine's."""
    environment = [
        "HOME=/root", "USER=root", "LOGNAME=root", "SHELL=/bin/bash", "LANG=C.UTF-8",
        f"TERM={os.environ.get('TERM', 'dumb')}", "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    ]  # fmt: skip
    spaces = ["--mount", "--uts", "--ipc", "--net", "--pid", "--cgroup", "--root"]
    # the directory is entered by env: nsenter would open it, or keep its own, outside of the host
    into = ["/usr/bin/env", "--ignore-environment", "--chdir=/root"]
    return ["nsenter", f"--target={leader_pid}", *spaces, "--", *into, *environment, *command]


def keys_of(place: HostLayout) -> tuple[str, str]:
    """(private key file, comment) of a host's SSH key."""
    return str(place.host_key), f"{place.name} of rehearsal site {place.site.site}"
