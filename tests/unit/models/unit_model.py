"""systemd's units as systemctl(1) shows and changes them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from ansible_collections.lustre.core.plugins.module_utils._run import Result


@dataclass
class Unit:
    load: str = "loaded"
    file_state: str = "disabled"
    active: str = "inactive"
    drop_ins: str = ""


@dataclass
class UnitModel:
    units: dict[str, Unit] = field(default_factory=dict)
    calls: list[tuple[str, ...]] = field(default_factory=list)

    def __call__(self, argv: Sequence[str], stdin: str | None = None, timeout: float = 120.0) -> Result:
        assert argv[0] == "systemctl"
        if argv[1] == "show":
            return Result(0, "\n".join(self._shown(name) for name in argv[argv.index("--") + 1 :]), "")
        self.calls.append(tuple(argv))
        assert argv[2] == "--" and len(argv) == 4
        return getattr(self, f"_{argv[1]}")(argv[3])

    def _shown(self, name: str) -> str:
        unit = self.units.get(name, Unit(load="not-found", file_state=""))
        return (
            f"Id={name}\nLoadState={unit.load}\nUnitFileState={unit.file_state}\nActiveState={unit.active}\n"
            f"SubState=x\nResult=success\nDropInPaths={unit.drop_ins}\n"
        )

    def _enable(self, name: str) -> Result:
        unit = self.units[name]
        if unit.load == "masked":
            return Result(1, "", f"Failed to enable unit: Unit file {name} is masked.\n")
        # a static unit has nothing to be enabled by, and systemctl ends well
        unit.file_state = "enabled" if unit.file_state in ("disabled", "enabled") else unit.file_state
        return Result(0, "", "")

    def _disable(self, name: str) -> Result:
        unit = self.units[name]
        unit.file_state = "disabled" if unit.file_state in ("disabled", "enabled") else unit.file_state
        return Result(0, "", "")

    def _start(self, name: str) -> Result:
        unit = self.units[name]
        if unit.load == "masked":
            return Result(1, "", f"Failed to start {name}: Unit {name} is masked.\n")
        unit.active = "active"
        return Result(0, "", "")

    def _stop(self, name: str) -> Result:
        assert name != "lnet.service", "its stop unloads Lustre's modules under whatever is mounted"
        self.units[name].active = "inactive"
        return Result(0, "", "")
