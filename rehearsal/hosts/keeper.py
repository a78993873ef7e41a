# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The keeper: the one process that owns a running site.

It builds the site, boots the hosts, boots a host again when the guest asked for a reboot,
answers on a unix socket, and takes everything down when it is told to (SIGTERM), when the
process it was bound to ends, or when building fails.  It is the first process of a process
namespace: when it is killed, the kernel kills every process of every host with it.
"""

from __future__ import annotations

import fcntl
import json
import os
import selectors
import signal
import socket
import subprocess
import sys
import time
import traceback
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Callable

from rehearsal.hosts import cgroups, devices, guest, kernel
from rehearsal.hosts.errors import RehearsalError
from rehearsal.hosts.layout import Layout, Site, remove_tree, write_atomically
from rehearsal.hosts.network import Fabric
from rehearsal.hosts.spec import Host

_INOTIFY = Path("/proc/sys/fs/inotify/max_user_instances")
_INOTIFY_WANTED = 8192  # with the usual 128 no more than about 23 hosts come up
_RESTARTS_IN_A_ROW = 5
_REBOOT_SIGNAL = signal.SIGRTMIN + 5  # systemd: start reboot.target
_POWEROFF_SIGNAL = signal.SIGRTMIN + 4  # systemd: start poweroff.target


@dataclass
class Running:
    """Power state of one host."""

    host: Host
    state: str = "off"  # on | off | failed
    boots: int = 0
    reason: str = ""  # why it is not on
    process: subprocess.Popen[bytes] | None = None
    pidfd: int = -1
    recent: list[float] = field(default_factory=list)

    def public(self) -> dict[str, Any]:
        return {"state": self.state, "boots": self.boots, "reason": self.reason}


class Keeper:
    """Builds, supervises and removes one site."""

    def __init__(self, site: Site, report: int, stop: Stop) -> None:
        self.site, self.report, self.stop = site, report, stop
        self.hosts = {host.name: Running(host) for host in site.spec.hosts}
        self.loops: dict[str, devices.Attached] = {}
        self.fabric: Fabric | None = None
        self.selector = selectors.DefaultSelector()
        self.control: socket.socket | None = None

    def say(self, event: str, **details: Any) -> None:
        """A line for the process that waits for us; it may be gone, which is its own affair."""
        line = json.dumps({"event": event, **details})
        print(time.strftime("%H:%M:%S"), line, flush=True)
        try:
            os.write(self.report, line.encode() + b"\n")
        except OSError:
            return

    # building

    def build(self) -> None:
        _raise_inotify_limit()
        self._private_nspawn_state()
        (self.site.layout.shared).mkdir(exist_ok=True)
        for device in self.site.spec.devices:
            self.loops[device.name] = devices.attach(self.site.layout.devices, device)
        self._remember_loops()
        self.say("step", text=f"{len(self.loops)} block devices attached")
        self.fabric = Fabric(self.site)
        self.fabric.build()
        self.say("step", text=f"{len(self.site.spec.networks)} data networks and management {self.site.subnet} made")
        key = (self.site.layout.ssh / "id_ed25519.pub").read_text()
        nodes = {name: attached.node for name, attached in self.loops.items()}
        for running in self.hosts.values():
            self._poll(0)
            guest.mount_root(self.site, running.host)
            guest.personalise(self.site, running.host, nodes, key)
            self.launch(running)
        self.say("step", text=f"{len(self.hosts)} hosts started")

    def _private_nspawn_state(self) -> None:
        state = Path("/run/systemd/nspawn")
        state.mkdir(parents=True, exist_ok=True)
        kernel.mount("tmpfs", state, "tmpfs", kernel.MS_NOSUID | kernel.MS_NODEV, "mode=0755")

    def _remember_loops(self) -> None:
        made = [attached.number for attached in self.loops.values() if attached.ours]
        write_atomically(self.site.layout.top / "loops.json", json.dumps(made))

    def launch(self, running: Running) -> None:
        """Boot a host: new network namespace, new /run, same disks."""
        if self.fabric is None:
            raise RehearsalError("The networks of this site are gone.")
        place = self.site.layout.host(running.host.name)
        cgroups.kill(place.cgroup)
        cgroups.remove(place.cgroup)
        cgroups.create(place.cgroup)
        namespace = self.fabric.plug(running.host)
        nodes = [self.loops[device.name].node for device in self.site.spec.devices_of(running.host.name)]
        argv = guest.nspawn_argv(self.site, running.host, namespace, nodes)
        with open(place.console, "ab") as console:
            console.write(f"--- {time.strftime('%F %T')} boot {running.boots + 1}\n".encode())
            console.flush()
            running.process = subprocess.Popen(
                argv, stdin=subprocess.DEVNULL, stdout=console, stderr=console, cwd="/",
                env=guest.nspawn_environment(), preexec_fn=partial(cgroups.enter, place.cgroup), start_new_session=True,
            )  # fmt: skip
        running.pidfd = os.pidfd_open(running.process.pid)
        self.selector.register(running.pidfd, selectors.EVENT_READ, running)
        running.state, running.reason = "on", ""
        running.boots += 1
        running.recent = [*running.recent[-_RESTARTS_IN_A_ROW:], time.monotonic()]

    # supervising

    def serve(self) -> None:
        while not self.stop.reason:
            self._poll(None)

    def listen(self) -> None:
        """Open the control socket and watch for signals and for the end of our owner."""
        self.selector.register(self.stop.wakeup, selectors.EVENT_READ, self.stop)
        if self.stop.owner >= 0:
            self.selector.register(self.stop.owner, selectors.EVENT_READ, "owner")
        self.control = socket.socket(socket.AF_UNIX)
        path = self.site.layout.control_socket
        path.unlink(missing_ok=True)
        self.control.bind(str(path))
        path.chmod(0o600)
        self.control.listen(16)
        self.selector.register(self.control, selectors.EVENT_READ, self.control)

    def _poll(self, timeout: float | None) -> None:
        for key, _ in self.selector.select(timeout):
            if isinstance(key.data, Running):
                self._ended(key.data)
            elif key.data == "owner":
                self.stop.reason = "owner"
            elif key.data is self.control:
                self._answer()
            else:
                self.stop.wakeup.recv(64)
        self._reap()
        if self.stop.reason and timeout == 0:
            raise RehearsalError(f"Building the site was interrupted ({self.stop.reason}).")

    def _reap(self) -> None:
        """Collect what was orphaned: we are the first process of our namespace.  nspawn's own end is left to ``_ended``."""
        known = {running.process.pid for running in self.hosts.values() if running.process}
        while True:
            try:
                ended = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            except ChildProcessError:
                return
            if ended is None or ended.si_pid in known:
                return
            os.waitpid(ended.si_pid, 0)

    def _forget_process(self, running: Running) -> int:
        if running.process is None:
            return 0
        self.selector.unregister(running.pidfd)
        os.close(running.pidfd)
        code = running.process.wait()
        running.process, running.pidfd = None, -1
        return code

    def _ended(self, running: Running) -> None:
        code = self._forget_process(running)
        name = running.host.name
        if code == guest.REBOOT_WANTED and not self._loops_in_reboots(running):
            print(time.strftime("%H:%M:%S"), f"{name} reboots", flush=True)
            try:
                self.launch(running)
                return
            except (RehearsalError, OSError) as error:
                code, running.reason = 1, f"could not be started again: {error}"
        else:
            running.reason = (
                "powered off by itself" if code == 0 else f"ended with code {code}; see `rehearse logs {name}`"
            )
        self._cut(running, "off" if code == 0 else "failed", running.reason)
        print(time.strftime("%H:%M:%S"), f"{name} {running.reason}", flush=True)

    @staticmethod
    def _loops_in_reboots(running: Running) -> bool:
        last = running.recent[-_RESTARTS_IN_A_ROW:]
        return len(last) == _RESTARTS_IN_A_ROW and time.monotonic() - last[0] < 2 * _RESTARTS_IN_A_ROW

    def _cut(self, running: Running, state: str, reason: str) -> None:
        """Power cut: no process of the host does anything any more."""
        place = self.site.layout.host(running.host.name)
        cgroups.kill(place.cgroup)
        self._forget_process(running)
        cgroups.remove(place.cgroup)
        if self.fabric is not None:
            self.fabric.unplug(running.host)
        running.state, running.reason = state, reason

    # the control socket

    def _answer(self) -> None:
        if self.control is None:
            return
        connection, _ = self.control.accept()
        with connection:
            connection.settimeout(2)
            try:
                request = json.loads(connection.makefile().readline())
                try:
                    reply: dict[str, Any] = {"ok": True, **self._do(request)}
                except (RehearsalError, OSError) as error:
                    reply = {"ok": False, "error": str(error)}
                connection.sendall(json.dumps(reply).encode() + b"\n")
            except (OSError, ValueError):
                return

    def _do(self, request: dict[str, Any]) -> dict[str, Any]:
        wanted = request["op"]
        if wanted == "status":
            return {"hosts": {name: running.public() for name, running in self.hosts.items()}}
        running = self.hosts[request["host"]]
        if wanted in ("reboot", "poweroff"):
            leader = guest.leader(self.site.layout.host(running.host.name))
            if leader is None:
                raise RehearsalError(f"{running.host.name} is {running.state}; start it with `rehearse start`.")
            os.kill(leader, _REBOOT_SIGNAL if wanted == "reboot" else _POWEROFF_SIGNAL)
        elif wanted == "kill":
            self._cut(running, "off", "power cut by `rehearse kill`")
        elif wanted == "start" and running.state != "on":
            self.launch(running)
        return {"host": running.public()}

    # the end

    def remove(self) -> None:
        """Take all down; each part on its own, so that one that fails keeps no other from going."""
        for running in self.hosts.values():
            self._try(partial(self._cut, running, "off", "the site is going down"))
        self._try(partial(cgroups.kill, self.site.layout.cgroup))
        self._try(partial(cgroups.remove, self.site.layout.cgroup))
        for name in self.hosts:
            self._try(partial(kernel.unmount, self.site.layout.host(name).root))
        if self.fabric is not None:
            self._try(self.fabric.close)
        for attached in self.loops.values():
            self._try(partial(devices.detach, attached))
        if self.stop.reason == "owner":
            self._try(partial(remove_tree, self.site.layout.top))

    def _try(self, action: Callable[[], None]) -> None:
        try:
            action()
        except (OSError, RehearsalError) as error:
            print(time.strftime("%H:%M:%S"), f"while going down: {error}", flush=True)


def _raise_inotify_limit() -> None:
    if int(_INOTIFY.read_text()) < _INOTIFY_WANTED:
        _INOTIFY.write_text(str(_INOTIFY_WANTED))


class Stop:
    """Why the keeper is to end: a signal, or the end of the process that the site belongs to."""

    def __init__(self, owner: int | None) -> None:
        self.reason = ""
        self.owner = -1  # pidfd
        self.wakeup, self._send = socket.socketpair()
        for end in (self.wakeup, self._send):
            end.setblocking(False)
        signal.set_wakeup_fd(self._send.fileno(), warn_on_full_buffer=False)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, self._on_signal)
        if owner is not None:
            try:
                self.owner = os.pidfd_open(owner)
            except ProcessLookupError:
                self.reason = "owner"

    def _on_signal(self, number: int, frame: object) -> None:
        self.reason = signal.Signals(number).name


def main(site_name: str, report: int, owner: int | None, site_lock: int) -> int:
    """Start the keeper in a process namespace of its own and wait for it; ``report`` takes its progress, as JSON lines.

    ``site_lock`` keeps others from the site until it shows that it has a keeper.
    """
    layout = Layout(site_name)
    with open(layout.keeper_lock, "w", encoding="ascii") as lock:  # held until both of us end: so others see us alive
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        stop = Stop(owner)  # before the fork: a first process ignores signals that it has no handler for
        guard = os.pidfd_open(os.getpid())
        kernel.unshare(kernel.CLONE_NEWPID)
        child = os.fork()
        if child == 0:
            os.close(site_lock)
            os._exit(_first_process(layout, report, stop, guard))
        os.close(report)
        identity = kernel.ProcessId.of(child)
        if identity is not None:
            write_atomically(layout.keeper_file, json.dumps(asdict(identity)))
        os.close(site_lock)
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def _first_process(layout: Layout, report: int, stop: Stop, guard: int) -> int:
    code = 1
    try:
        kernel.die_with_parent(guard)
        kernel.private_mounts()
        kernel.mount("proc", Path("/proc"), "proc", kernel.MS_NOSUID | kernel.MS_NODEV | kernel.MS_NOEXEC)
        cgroups.ensure()
        code = _run(Keeper(Site.load(layout), report, stop))
    except BaseException:
        traceback.print_exc()  # nothing above us would: the keeper's log is where it is looked for
    sys.stdout.flush()
    sys.stderr.flush()
    return code


def _run(keeper: Keeper) -> int:
    try:
        keeper.listen()
        keeper.build()
        keeper.say("ready")
        os.close(keeper.report)
        keeper.serve()
        return 0
    except (RehearsalError, OSError) as error:
        keeper.say("error", text=str(error))
        return 1
    finally:
        keeper.remove()
