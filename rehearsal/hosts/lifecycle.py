# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Making a site, removing it, clearing what a crash left, and the proof that nothing is left."""

from __future__ import annotations

import contextlib
import fcntl
import ipaddress
import json
import os
import time
from pathlib import Path
from typing import Iterator

from rehearsal.hosts import access, base, cgroups, control, devices, network
from rehearsal.hosts.control import Say
from rehearsal.hosts.errors import RehearsalError
from rehearsal.hosts.layout import INTERFACE_PREFIX, Layout, Site, remove_tree, sites, state_root
from rehearsal.hosts.spec import Spec

_DAY = 86400
_KEEP_UNUSED_BASES = 30 * _DAY


@contextlib.contextmanager
def locked(name: str, wait: bool = True) -> Iterator[int]:
    """One at a time, between processes; freed by the kernel when the holder ends, and every process that was given the descriptor.

    Without ``wait`` a lock that is held raises ``BlockingIOError``.
    """
    state_root().mkdir(parents=True, exist_ok=True)
    path = state_root() / f".lock-{name}"
    while True:
        with open(path, "w", encoding="ascii") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
            # the one before us may have removed the file that we waited for
            if _same(path, lock.fileno()):
                try:
                    yield lock.fileno()
                finally:
                    path.unlink(missing_ok=True)
                return


def _same(path: Path, handle: int) -> bool:
    try:
        return os.path.samestat(path.stat(), os.fstat(handle))
    except FileNotFoundError:
        return False


def up(layout: Layout, spec: Spec, *, owner: int | None, wait: float, say: Say) -> Site:
    """Make a site and wait until all of it answers; on any failure, Ctrl-C included, it is removed again."""
    root = base.ensure(spec.base_packages, say)
    with locked(layout.site) as lock:
        if control.alive(layout):
            raise RehearsalError(
                f"The site {layout.site} is already up. Use it, take it down with "
                f"`rehearse down --site {layout.site}`, or choose another name."
            )
        _clear(layout)  # what a crash may have left under this name
        try:
            site = _plan(layout, spec, root)
            access.make_keys(site)
            access.write_files(site)
            say(f"site {layout.site} planned: management {site.subnet}, keys made")
            control.start(layout, owner, lock, say)
            answers = access.wait_for(site, [host.name for host in spec.hosts], wait)
            say(_summary(answers))
            return site
        except BaseException:
            say(f"taking {layout.site} down again")
            _remove(layout)
            raise


def _summary(answers: dict[str, str]) -> str:
    odd = [f"{host} is {answer}" for host, answer in answers.items() if answer != "running"]
    return f"{len(answers)} hosts answer SSH" + (f"; {'; '.join(odd)}" if odd else "")


def _plan(layout: Layout, spec: Spec, root: Path) -> Site:
    """Choose what must be unique on this machine and write it down before anything is made."""
    with locked("networks"):
        subnet = network.choose_subnet(ipaddress.IPv4Network(spec.management), len(spec.hosts), _taken(layout, spec))
        site = Site(layout, spec, root, subnet, network.choose_addresses(subnet, spec.hosts))
        layout.top.mkdir(mode=0o711)
        site.save()
    return site


def _taken(layout: Layout, spec: Spec) -> list[ipaddress.IPv4Network | ipaddress.IPv6Network]:
    taken = network.routed_here()
    for interface in (interface for host in spec.hosts for interface in host.interfaces):
        taken += [ipaddress.ip_interface(address).network for address in interface.addresses]
    for name in sites():
        if name != layout.site:
            with contextlib.suppress(RehearsalError):
                taken.append(Site.load(Layout(name)).subnet)
    return taken


def down(layout: Layout) -> None:
    """Remove a site, whatever state it is in; fine if there is none."""
    with locked(layout.site):
        _remove(layout)


def _remove(layout: Layout) -> None:
    access.close_shared_connections(layout)
    control.stop(layout)
    _clear(layout)
    left = _until_gone(layout.site)
    if left:
        raise RehearsalError(f"The site {layout.site} is down, but this is left of it: {'; '.join(left)}.")


def _clear(layout: Layout) -> None:
    """Remove what the kernel does not take away by itself when a keeper ends."""
    cgroups.ensure()
    cgroups.kill(layout.cgroup)
    cgroups.remove(layout.cgroup)
    network.remove_uplink(layout.uplink)
    for number, _ in devices.attached_below(layout.top):
        devices.force_detach(number)
    with contextlib.suppress(OSError, ValueError):
        for number in json.loads((layout.top / "loops.json").read_text()):
            devices.remove_node(number)
    remove_tree(layout.top)


def _until_gone(site: str, seconds: float = 5.0) -> list[str]:
    """Leftovers of a site, given the kernel a moment to finish taking down namespaces."""
    deadline = time.monotonic() + seconds
    while (left := leftovers(site)) and time.monotonic() < deadline:
        time.sleep(0.05)
    return left


def gc(prefix: str = "") -> list[str]:
    """Remove sites whose keeper is gone, killed builds and bases unused for long; says what was removed."""
    cgroups.ensure()
    removed = [f"site {name}" for name in _known() if name.startswith(prefix) and _down_if_dead(Layout(name))]
    in_use = set()
    for name in sites():
        with contextlib.suppress(RehearsalError):
            in_use.add(Site.load(Layout(name)).base)
    for path in [*base.leftovers(), *base.old_bases(in_use, time.time() - _KEEP_UNUSED_BASES)]:
        base.discard(path)
        removed.append(str(path))
    return removed


def _down_if_dead(layout: Layout) -> bool:
    try:
        with locked(layout.site, wait=False):
            if control.alive(layout):
                return False
            _remove(layout)
            return True
    except BlockingIOError:  # it is being made or taken down just now
        return False


def leftovers(site: str = "", prefix: str = "") -> list[str]:
    """What is on this machine of one site, of the sites whose names begin so, or of all; empty when clean."""
    cgroups.ensure()
    names = [site] if site else [name for name in _known() if name.startswith(prefix)]
    found = [line for name in names for line in _of_site(name)]
    if not site:
        ours = {Layout(name).uplink for name in _known()}
        interfaces = os.listdir("/sys/class/net")
        found += [f"interface {i} of no site" for i in interfaces if i.startswith(INTERFACE_PREFIX) and i not in ours]
        found += [f"abandoned build {path}" for path in base.leftovers()]
    return found


def _known() -> list[str]:
    names = set(sites())
    for directory in cgroups.existing():
        names.update(child.name for child in directory.iterdir() if child.is_dir())
    for _, backing in devices.attached_below(state_root()):
        names.add(Path(backing).relative_to(state_root()).parts[0])
    return sorted(names)


def _of_site(name: str) -> list[str]:
    layout = Layout(name)
    found = []
    if keeper := control.alive(layout):
        found.append(f"keeper process {keeper.pid} of site {name}")
    found += [f"process {pid} of site {name}" for pid in cgroups.processes(layout.cgroup)]
    found += [f"cgroup {path}" for path in cgroups.existing(name)]
    mounts = (line.split()[1] for line in Path("/proc/self/mounts").read_text().splitlines())
    found += [f"mount {target}" for target in mounts if target.startswith(f"{layout.top}/")]
    found += [f"loop device /dev/loop{number} on {backing}" for number, backing in devices.attached_below(layout.top)]
    if layout.uplink in os.listdir("/sys/class/net"):
        found.append(f"interface {layout.uplink} of site {name}")
    if layout.top.exists():
        found.append(f"state directory {layout.top}")
    return found
