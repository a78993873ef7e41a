# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A node's GSS as it is now: files, the module, the daemon and what that said, the keytab."""

from __future__ import annotations

import glob
import os
import re
import time
from dataclasses import dataclass, field
from typing import Callable, Mapping

from ansible_collections.lustre.core.plugins.module_utils._cli import (
    keytab_file,
    krb5_conf,
    lsvcgssd,
    systemctl,
    text_files,
)
from ansible_collections.lustre.core.plugins.module_utils._cli.lsvcgssd import Daemon, Start
from ansible_collections.lustre.core.plugins.module_utils._cli.systemctl import UnitState
from ansible_collections.lustre.core.plugins.module_utils._errors import ToolError, UnknownOutput
from ansible_collections.lustre.core.plugins.module_utils._resources.gss_want import (
    DAEMON_DROP_IN,
    LGSSC,
    LNET_DROP_IN,
    GssWant,
)
from ansible_collections.lustre.core.plugins.module_utils._run import Runner

UPCALL = "sptlrpc.gss.rsi_upcall"
#: Parameters of the module that every release has; names are listed, for some cannot be read.
PARAMETERS = ("lctl", "list_param", "sptlrpc.gss.*")
READ_UPCALL = ("lctl", "get_param", "-n", UPCALL)
_SHOW = (
    "systemctl",
    "show",
    "--property=Id,LoadState,UnitFileState,ActiveState,SubState,Result,DropInPaths,NeedDaemonReload",
    "--",
)
_NAME = re.compile(r"sptlrpc\.gss\.\S+\Z")
_NOT_THERE = re.compile(r"No such file or directory|modules may not be loaded|No such device", re.I)


@dataclass(frozen=True)
class Local:
    """What is asked of this node without a process; tests put their own functions here."""

    text: Callable[[str], str] = text_files.text_or_empty
    exists: Callable[[str], bool] = os.path.exists
    daemons: Callable[[], list[Daemon]] = lsvcgssd.daemons
    keytab: Callable[[str], keytab_file.FileState] = keytab_file.read_state
    changed: Callable[[str], float] = lambda path: os.stat(path).st_mtime if os.path.exists(path) else 0.0
    default_realm: Callable[[], str] = lambda: krb5_conf.libdefaults().get("default_realm", "")
    #: A SysV script (2.15) is part of the boot by its links.
    sysv_enabled: Callable[[], bool] = lambda: bool(glob.glob("/etc/rc[2-5].d/S??lsvcgss"))
    sleep: Callable[[float], None] = time.sleep


@dataclass(frozen=True)
class GssHave:
    """``upcall`` is None where the release has no such parameter (2.15) or the module is not loaded."""

    files: Mapping[str, str] = field(default_factory=dict)
    loaded: bool = False
    upcall: str | None = None
    unit: UnitState | None = None
    reload: bool = False
    enabled: bool = False
    daemons: tuple[Daemon, ...] = ()
    start: Start = field(default_factory=Start)
    principals: frozenset[str] = frozenset()
    keytab_changed: float = 0.0
    default_realm: str = ""

    @property
    def daemon(self) -> Daemon | None:
        """The daemon of the unit, when it is the only one that runs."""
        return self.daemons[0] if len(self.daemons) == 1 and self.daemons[0].of_unit else None


def read(run: Runner, want: GssWant, local: Local) -> GssHave:
    """A client costs two processes, a server four."""
    paths = [LGSSC, LNET_DROP_IN] + ([DAEMON_DROP_IN, lsvcgssd.SYSCONFIG] if want.services else [])
    files = {path: local.text(path) for path in paths}
    parameters = _parameters(run)
    units, stale = _units(run, ["lnet.service", *([lsvcgssd.UNIT] if want.services else [])])
    realm = local.default_realm() if want.kerberos else ""
    if not want.services:
        return GssHave(files, bool(parameters), reload=stale, default_realm=realm)
    running = tuple(local.daemons())
    unit = units[lsvcgssd.UNIT]
    return GssHave(
        files,
        bool(parameters),
        _upcall(run) if UPCALL in parameters else None,
        unit,
        stale,
        local.sysv_enabled() if unit.file_state == "generated" else unit.enabled,
        running,
        lsvcgssd.start_of(run, running[0]) if len(running) == 1 and want.kerberos else Start(),
        _principals(want, local),
        local.changed(want.keytab) if want.kerberos else 0.0,
        realm,
    )


def _parameters(run: Runner) -> list[str]:
    """The module's parameters; none while it is not loaded."""
    rc, out, err = run(PARAMETERS, None, 30.0)
    names = [line.strip() for line in out.splitlines() if line.strip()]
    strange = [name for name in names if not _NAME.match(name)]
    if strange:
        raise UnknownOutput("lctl list_param", "the parameters of ptlrpc_gss", strange[0])
    if rc != 0 and not names and not _NOT_THERE.search(err):
        raise ToolError("ask whether ptlrpc_gss is loaded", PARAMETERS, rc, out, err, code=rc)
    return names


def _upcall(run: Runner) -> str:
    rc, out, err = run(READ_UPCALL, None, 30.0)
    if rc != 0:
        raise ToolError("read the upcall of ptlrpc_gss", READ_UPCALL, rc, out, err, code=rc)
    return out.strip()


def _units(run: Runner, names: list[str]) -> tuple[dict[str, UnitState], bool]:
    argv = (*_SHOW, *names)
    rc, out, err = run(argv, None, 30.0)
    if rc != 0:
        raise ToolError("ask systemd for its units", argv, rc, out, err, remedy="Is systemd running on this node?")
    units = systemctl.parse_show(out)
    if len(units) != len(names):
        raise UnknownOutput("systemctl", f"the units {', '.join(names)}", out)
    # Of a unit that is not there or masked systemd may say so for ever.
    stale = any("NeedDaemonReload=yes" in block and "LoadState=loaded" in block for block in out.split("\n\n"))
    return dict(zip(names, units)), stale


def _principals(want: GssWant, local: Local) -> frozenset[str]:
    if not want.kerberos:
        return frozenset()
    state = local.keytab(want.keytab)
    entries = keytab_file.parse_keytab(state.data, want.keytab) if state.data else []
    return frozenset(entry.principal for entry in entries)
