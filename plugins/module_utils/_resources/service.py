# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The systemd units that a node needs: part of the boot, and running.

One process reads all units, converged or not.  What is not said of a unit (``enabled``
or ``started`` null) is left as it is.  ``lnet.service`` is special: its stop unloads
Lustre's modules under whatever is mounted, so it is never stopped or restarted here.
Where the module lnet is loaded already, the packaged unit would be skipped by its own
condition without a word and stay inactive; started it is then only with the drop-in
that the lnet resource writes, which makes a start harmless at any time.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from typing import Any, Callable, Mapping, Sequence

from ansible_collections.lustre.core.plugins.module_utils._cli import systemctl
from ansible_collections.lustre.core.plugins.module_utils._cli.systemctl import UnitState
from ansible_collections.lustre.core.plugins.module_utils._errors import BadValue, Refused, ToolError
from ansible_collections.lustre.core.plugins.module_utils._options import require_known
from ansible_collections.lustre.core.plugins.module_utils._plan import Plan, Step
from ansible_collections.lustre.core.plugins.module_utils._run import Runner

KIND = "service"
LNET = "lnet.service"
START_TIMEOUT = 900.0
#: The folder that appears when the module lnet is loaded; the packaged unit's condition asks for it, too.
LNET_LOADED = "/proc/sys/lnet"
_UNIT = re.compile(r"[A-Za-z0-9:_.@\\-]+\.(?:service|socket|target|timer|path|mount|automount)\Z")
_KNOWN = ("name", "enabled", "started")


@dataclass(frozen=True)
class ServiceWant:
    """One unit; None leaves that side of it alone."""

    name: str
    enabled: bool | None = True
    started: bool | None = True

    @classmethod
    def from_options(cls, options: Mapping[str, Any], path: str) -> ServiceWant:
        """Check one entry of ``services``; BadValue names the entry and field."""
        require_known(options, _KNOWN, path)
        name = str(options.get("name") or "")
        if "." not in name and name:
            name += ".service"
        if not _UNIT.match(name):
            raise BadValue(
                f"{path}.name", f"{name!r} is not the name of a systemd unit", "Give a name such as lnet.service."
            )
        values = {}
        for field in ("enabled", "started"):
            value = options.get(field, True)
            if value not in (True, False, None):
                raise BadValue(
                    f"{path}.{field}",
                    f"{value!r} is neither true nor false",
                    "Say true, false, or null to leave it alone.",
                )
            values[field] = value
        want = cls(name, **values)
        if want.name == LNET and want.started is False:
            raise BadValue(
                f"{path}.started",
                "stopping lnet.service unloads the Lustre modules under whatever is mounted",
                "Leave it out here; the playbooks stop and teardown do it in the right order.",
            )
        return want


@dataclass(frozen=True)
class ServiceHave:
    """The units as systemd shows them, and whether LNet's module is loaded."""

    units: Mapping[str, UnitState]
    lnet_loaded: bool = False


class ServiceResource:
    """See the Resource protocol."""

    kind = KIND
    settle = 0.0

    def __init__(
        self, wants: Sequence[ServiceWant], coming: Sequence[str] = (), exists: Callable[[str], bool] = os.path.exists
    ) -> None:
        """``coming``: units that an earlier resource of the same run sets up; how they are now is then no error."""
        self.wants, self.coming, self.exists = tuple(wants), frozenset(coming), exists

    @classmethod
    def from_options(
        cls,
        services: Sequence[Mapping[str, Any]],
        path: str = "services",
        coming: Sequence[str] = (),
        exists: Callable[[str], bool] = os.path.exists,
    ) -> ServiceResource:
        wants: dict[str, ServiceWant] = {}
        for number, options in enumerate(services):
            want = ServiceWant.from_options(options, f"{path}[{number}]")
            if want.name in wants:
                raise BadValue(f"{path}[{number}].name", f"{want.name} is there twice", "Name each unit once.")
            wants[want.name] = want
        return cls(list(wants.values()), coming, exists)

    def have(self, run: Runner) -> ServiceHave:
        return ServiceHave(systemctl.show(run, [want.name for want in self.wants]), self.exists(LNET_LOADED))

    def plan(self, have: ServiceHave) -> Plan:
        return Plan(tuple(step for want in self.wants for step in self._steps(want, have)))

    def _steps(self, want: ServiceWant, have: ServiceHave) -> list[Step]:
        unit = have.units[want.name]
        if not unit.exists and not want.enabled and not want.started:
            return []
        _refuse_masked(want, unit)
        if want.name not in self.coming:
            _refuse_unfit(want, unit, have.lnet_loaded)
        steps = []
        if want.enabled is not None and want.enabled != unit.enabled:
            verb = "enable" if want.enabled else "disable"
            steps.append(
                Step(
                    KIND,
                    verb,
                    want.name,
                    f"it is {unit.file_state or 'unknown'}",
                    ("systemctl", verb, "--", want.name),
                    timeout=60.0,
                )
            )
        if want.started is not None and want.started != unit.started:
            verb = "start" if want.started else "stop"
            steps.append(
                Step(
                    KIND,
                    verb,
                    want.name,
                    f"it is {unit.active}" + (f" ({unit.result})" if unit.result not in ("", "success") else ""),
                    ("systemctl", verb, "--", want.name),
                    disruptive=not want.started,
                    timeout=START_TIMEOUT,
                )
            )
        return steps

    def public(self, have: ServiceHave) -> Mapping[str, Any]:
        return {
            "services": [
                {
                    "name": name,
                    "exists": unit.exists,
                    "enabled": unit.enabled,
                    "started": unit.started,
                    "active": unit.active,
                }
                for name, unit in have.units.items()
            ]
        }

    def check_step(self, step: Step, run: Runner) -> None:
        """Nothing changes in between that would matter: systemd itself orders what runs at the same time."""

    def tool_error(self, step: Step, rc: int, out: str, err: str) -> ToolError:
        remedy = (
            f"See `systemctl status {step.object}` and `journalctl -u {step.object}`." if step.action == "start" else ""
        )
        return ToolError(f"{step.action} {step.object}", step.argv, rc, out, err, remedy=remedy)

    def timed_out(self, step: Step) -> str:
        return f"See `journalctl -u {step.object}`."


def _refuse_masked(want: ServiceWant, unit: UnitState) -> None:
    """Nothing that an earlier resource of the same run sets up changes that."""
    if unit.masked and (want.enabled or want.started):
        found = "the unit is masked: an administrator has switched it off for good"
        raise Refused(f"set up {want.name}", found, f"If that is over: `systemctl unmask {want.name}`.")


def _refuse_unfit(want: ServiceWant, unit: UnitState, lnet_loaded: bool) -> None:
    doing = f"set up {want.name}"
    if not unit.exists:
        raise Refused(doing, "systemd knows no such unit on this node", "Install the package that ships it.")
    ordered = any(path.endswith("lustre-core.conf") for path in unit.drop_ins)
    if want.name == LNET and want.started and not unit.started and lnet_loaded and not ordered:
        raise Refused(
            f"start {want.name}",
            "the module lnet is loaded, and the packaged unit does nothing then: it would stay inactive",
            "Describe LNet (the lnet part of this module, or lustre.core.lnet): its drop-in makes the unit fit for that.",
        )
