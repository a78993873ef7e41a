# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a node needs before any GSS flavor can work: who makes contexts, the module, and on servers the daemon.

The daemon is run by its unit alone, with arguments from its configuration: the kernel's upcall restarts that unit when
nobody answers, and a daemon that was started by hand is then followed by one with other arguments, or keeps the unit from
starting its own (Lustre 2.17.0, observed).  That it runs with these arguments is read from the process, that Kerberos is
really on from what it logged: its exit code tells neither.
"""

from __future__ import annotations

from typing import Any, Mapping, Sequence

from ansible_collections.lustre.core.plugins.module_utils._cli import lctl, lsvcgssd
from ansible_collections.lustre.core.plugins.module_utils._cli.lsvcgssd import SYSCONFIG, UNIT, VARIABLE, Daemon
from ansible_collections.lustre.core.plugins.module_utils._errors import Refused, ToolError, ToolMissing
from ansible_collections.lustre.core.plugins.module_utils._plan import FileWrite, Plan, Step
from ansible_collections.lustre.core.plugins.module_utils._resources import gss_want
from ansible_collections.lustre.core.plugins.module_utils._resources.gss_system import UPCALL, GssHave, Local, read
from ansible_collections.lustre.core.plugins.module_utils._resources.gss_want import GssWant
from ansible_collections.lustre.core.plugins.module_utils._run import Runner

KIND = "gss"
L_GETAUTH = "/usr/sbin/l_getauth"
#: Programs that must be there, each with what ships it.
PROGRAMS = {
    "/sbin/request-key": "keyutils",
    "/usr/sbin/lgss_keyring": "with Lustre's client tools built with GSS (--enable-gss)",
}
START_TIMEOUT = 120.0
#: Seconds in which a daemon that was told to end must be gone.
GONE = 10.0


class GssResource:
    """See the Resource protocol.  ``coming``: packages, krb5.conf and keytab come from earlier steps of the same run."""

    kind = KIND
    #: What a daemon logs may reach the journal a moment after it runs.
    settle = 5.0

    def __init__(self, want: GssWant, local: Local | None = None, coming: bool = False) -> None:
        self.want, self.local, self.coming = want, local or Local(), coming
        self._restarted = False

    @classmethod
    def from_options(cls, options: Mapping[str, Any], path: str = "", coming: bool = False) -> GssResource:
        return cls(GssWant.from_options(options, path), coming=coming)

    def have(self, run: Runner) -> GssHave:
        if not self.coming:
            for program, package in PROGRAMS.items():
                if not self.local.exists(program):
                    raise ToolMissing(program.rpartition("/")[2], package)
        return read(run, self.want, self.local)

    def plan(self, have: GssHave) -> Plan:
        if not self.coming:
            self._refuse(have)
        steps = self._files(have)
        if (steps and any("/systemd/" in step.object for step in steps)) or have.reload:
            steps.append(self._step("reload", "systemd", "its units' files changed", ("systemctl", "daemon-reload")))
        if not have.loaded:
            steps.append(self._step("load", "ptlrpc_gss", "it is not loaded", ("modprobe", "ptlrpc_gss")))
        if self.want.services:
            steps += self._upcall(have) + self._daemon(have)
        return Plan(tuple(steps))

    # ---- what makes no sense -------------------------------------------------------------

    def _refuse(self, have: GssHave) -> None:
        if self.want.kerberos and self.want.realm and have.default_realm != self.want.realm:
            raise Refused(
                f"set up Kerberos for the realm {self.want.realm}",
                f"default_realm of this node's krb5.conf is {have.default_realm or 'not set'}, and Lustre uses that one",
                f"Set default_realm to {self.want.realm}, as the role lustre_kerberos does.",
            )
        missing = [name for name in self.want.principals if not _is_there(name, have.principals)]
        if missing:
            there = ", ".join(sorted(have.principals)) or "no key at all"
            raise Refused(
                f"start lsvcgssd with Kerberos: {self.want.keytab} has no key of {', '.join(missing)}",
                f"it would run on without Kerberos and say so only in the system's log; there is: {there}",
                "Bring the missing key with lustre.core.keytab first. The host in it must be the one that the reverse lookup of "
                "this node's NID gives.",
            )
        unit = have.unit
        if unit is not None and unit.masked:
            found = "the unit is masked: an administrator has switched it off for good"
            raise Refused(f"set up {UNIT}", found, f"If that is over: `systemctl unmask {UNIT}`.")
        if unit is not None and not unit.exists:
            remedy = "Install Lustre's server tools built with GSS."
            raise Refused(f"set up {UNIT}", "systemd knows no such unit on this node", remedy)

    # ---- files ---------------------------------------------------------------------------

    def _files(self, have: GssHave) -> list[Step]:
        steps = []
        if not _makes_contexts(have.files[gss_want.LGSSC]):
            reason = "nobody makes the contexts that Lustre's kernel asks for"
            steps.append(_write(gss_want.LGSSC, gss_want.LGSSC_LINE + "\n", reason))
        wanted = {gss_want.LNET_DROP_IN: (gss_want.LNET_TEXT, "ptlrpc_gss is loaded after LNet at each boot")}
        if self.want.services:
            wanted[gss_want.DAEMON_DROP_IN] = (
                gss_want.DAEMON_TEXT,
                "the daemon runs before targets are mounted at boot",
            )
        steps += [_write(path, text, why) for path, (text, why) in wanted.items() if have.files[path] != text]
        if self.want.services:
            text = have.files[SYSCONFIG]
            found = lsvcgssd.configured(text)
            if found != self.want.arguments:
                told = (
                    "sets none, so null security would be taken, too" if found is None else f"sets `{' '.join(found)}`"
                )
                reason = f"{VARIABLE} is to be `{' '.join(self.want.arguments)}` and the file {told}"
                steps.append(_write(SYSCONFIG, lsvcgssd.with_arguments(text, self.want.arguments), reason))
        return steps

    # ---- servers -------------------------------------------------------------------------

    def _upcall(self, have: GssHave) -> list[Step]:
        if have.upcall == L_GETAUTH or (have.upcall is None and (have.loaded or not self.local.exists(L_GETAUTH))):
            return []
        reason = "what a release sets when the module is loaded is not seen before" if have.upcall is None else ""
        reason = reason or f"it is {have.upcall or 'empty'!r}, so the kernel asks nobody about who connects"
        return [self._step("set", UPCALL, reason, ("lctl", "set_param", f"{UPCALL}={L_GETAUTH}"))]

    def _daemon(self, have: GssHave) -> list[Step]:
        steps = []
        if not have.enabled:
            state = have.unit.file_state if have.unit else ""
            steps.append(self._step("enable", UNIT, f"it is {state or 'unknown'}", ("systemctl", "enable", "--", UNIT)))
        strays = [daemon for daemon in have.daemons if not daemon.of_unit]
        for daemon in strays:
            reason = (
                f"it was started by hand, with `{' '.join(daemon.arguments)}`, and keeps {UNIT} from running its own"
            )
            steps.append(
                self._step("end", f"lsvcgssd (process {daemon.pid})", reason, ("kill", "-TERM", str(daemon.pid)))
            )
        reason = self._why_restart(have)
        if reason or strays:
            # Live connections go on; who connects in that moment is asked for again.
            argv = ("systemctl", "restart", "--", UNIT)
            steps.append(
                self._step("restart", UNIT, reason or "its daemon must be the one that runs", argv, START_TIMEOUT)
            )
        return steps

    def _why_restart(self, have: GssHave) -> str:
        daemon = have.daemon
        if daemon is None:
            return "no lsvcgssd of it runs" if not have.daemons else "several lsvcgssd run"
        if daemon.arguments != self.want.arguments:
            return f"lsvcgssd runs with `{' '.join(daemon.arguments)}`, wanted `{' '.join(self.want.arguments)}`"
        if not self.want.kerberos:
            return ""
        start, wanted = have.start, frozenset(self.want.services)
        if not start.seen and not self._restarted and have.keytab_changed < daemon.started:
            # The journal of that day is gone; it had all keys then that it has now.
            return ""
        if start.why_not:
            return f"Kerberos is off in the running lsvcgssd: {start.why_not}"
        if wanted - start.ready:
            kinds = ", ".join(sorted(wanted - start.ready)).upper()
            return f"the journal does not say that the running lsvcgssd is ready for {kinds} with Kerberos"
        if self.want.realm and start.realm != self.want.realm:
            return f"the running lsvcgssd serves the realm {start.realm}, wanted {self.want.realm}"
        return ""

    def _step(self, action: str, name: str, reason: str, argv: Sequence[str], timeout: float = 60.0) -> Step:
        return Step(KIND, action, name, reason, tuple(argv), timeout=timeout)

    # ---- the rest of the protocol --------------------------------------------------------

    def public(self, have: GssHave) -> Mapping[str, Any]:
        state: dict[str, Any] = {"loaded": have.loaded, "contexts_made": _makes_contexts(have.files[gss_want.LGSSC])}
        if self.want.services:
            state |= {
                "upcall": have.upcall or "",
                "enabled": have.enabled,
                "daemons": [_public(daemon) for daemon in have.daemons],
                "kerberos": {
                    "ready": sorted(have.start.ready),
                    "realm": have.start.realm,
                    "off": have.start.why_not,
                    "told": have.start.seen,
                },
            }
        return state

    def check_step(self, step: Step, run: Runner) -> None:
        """Loading ptlrpc_gss without LNet would make Lustre configure one by itself; two daemons at once are none."""
        if step.action == "load" and not lctl.nids(run):
            raise Refused(
                "load ptlrpc_gss: LNet is not configured on this node",
                "ptlrpc comes with it and would configure a default network on the first interface",
                "Bring LNet up first (lustre.core.lnet, or the role lustre_lnet).",
            )
        if step.action == "restart":
            self._restarted = True
            left = GONE
            while left > 0 and any(not daemon.of_unit for daemon in self.local.daemons()):
                self.local.sleep(0.2)
                left -= 0.2

    def tool_error(self, step: Step, rc: int, out: str, err: str) -> ToolError:
        remedy = f"See `journalctl -t lsvcgssd` and `systemctl status {UNIT}`." if step.object == UNIT else ""
        return ToolError(f"{step.action} {step.object}", step.argv, rc, out, err, remedy=remedy)

    def timed_out(self, step: Step) -> str:
        return f"See `journalctl -u {UNIT}`." if step.object == UNIT else ""


def _write(path: str, text: str, reason: str) -> Step:
    return Step(KIND, "write", path, reason, write=FileWrite(path, text))


def _makes_contexts(text: str) -> bool:
    """Whether a line of the file does what ours does; with a realm (-R) of an administrator it does, too."""
    words = [line.split() for line in text.splitlines() if line.split()[:2] == ["create", "lgssc"]]
    wanted = gss_want.LGSSC_LINE.split()
    return any(line[:5] == wanted[:5] and line[-10:] == wanted[-10:] for line in words)


def _is_there(name: str, principals: frozenset[str]) -> bool:
    """``lustre_mds/`` is there with any host, ``lustre_mds/mds1.example.com`` with that one, in any realm."""
    return any(one.rpartition("@")[0] == name or (name.endswith("/") and one.startswith(name)) for one in principals)


def _public(daemon: Daemon) -> dict[str, Any]:
    return {"pid": daemon.pid, "arguments": " ".join(daemon.arguments), "of_unit": daemon.of_unit}
