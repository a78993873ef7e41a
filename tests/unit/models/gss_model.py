"""A node with Lustre's GSS as it was recorded: files, a module, a unit that tells nothing, a daemon that tells the journal."""

from __future__ import annotations

import os
from dataclasses import dataclass, field

from ansible_collections.lustre.core.plugins.module_utils._cli import lsvcgssd
from ansible_collections.lustre.core.plugins.module_utils._cli.keytab_file import FileState
from ansible_collections.lustre.core.plugins.module_utils._cli.lsvcgssd import Daemon
from ansible_collections.lustre.core.plugins.module_utils._plan import FileWrite
from ansible_collections.lustre.core.plugins.module_utils._resources.gss_system import Local
from ansible_collections.lustre.core.plugins.module_utils._run import Result
from tests.unit.keytab_support import keytab, record

PARAMETERS = (
    "sptlrpc.gss.gss_check_upcall_ns\nsptlrpc.gss.init_channel\nsptlrpc.gss.lgss_keyring\nsptlrpc.gss.rsi_upcall\n"
)
OLD_PARAMETERS = "sptlrpc.gss.init_channel\nsptlrpc.gss.lgss_keyring\n"
NOT_LOADED = "error: list_param: listing 'sptlrpc.gss.*': No such file or directory\n"


@dataclass
class GssNode:
    """``hosts`` has the kinds of principals of the keytab; ``release`` 2.15 has no upcall and a SysV script."""

    files: dict[str, str] = field(default_factory=dict)
    loaded: bool = False
    upcall: str = "NONE"
    release: str = "2.17"
    unit: bool = True
    masked: bool = False
    enabled: bool = False
    stale: bool = False
    running: list[Daemon] = field(default_factory=list)
    journal: str = ""
    keys: tuple[str, ...] = ("lustre_mgs", "lustre_mds", "lustre_oss")
    realm: str = "LAB.EXAMPLE"
    nids: str = "10.0.2.15@tcp\n"
    programs: bool = True
    clock: float = 1000.0
    keytab_changed: float = 0.0
    calls: list[tuple[str, ...]] = field(default_factory=list)

    def local(self) -> Local:
        data = keytab(*(record(f"{kind}/server.lab.example") for kind in self.keys)) if self.keys else b""
        return Local(
            text=lambda path: self.files.get(path, ""),
            exists=lambda path: self.programs and (self.release != "2.15" or not path.endswith("l_getauth")),
            daemons=lambda: list(self.running),
            keytab=lambda path: FileState("file" if data else "absent", data),
            changed=lambda path: self.keytab_changed,
            default_realm=lambda: self.realm,
            sysv_enabled=lambda: self.enabled,
            sleep=lambda seconds: None,
        )

    def write(self, change: FileWrite) -> None:
        assert isinstance(change.content, str)
        self.files[change.path] = change.content
        self.stale |= "/systemd/" in change.path

    def __call__(self, argv, stdin=None, timeout=0.0):
        words = tuple(argv)
        reads = {("systemctl", "show"), ("lctl", "list_param"), ("lctl", "get_param"), ("lctl", "list_nids")}
        if words[:2] not in reads and words[0] != "journalctl":
            self.calls.append(words)
        answer = getattr(self, f"_{os.path.basename(words[0])}")(*words[1:])
        return Result(*answer) if isinstance(answer, tuple) else Result(0, answer, "")

    def _lctl(self, verb, *words):
        if verb == "list_nids":
            return self.nids
        if verb == "list_param":
            if not self.loaded:
                return 2, "", NOT_LOADED
            return OLD_PARAMETERS if self.release == "2.15" else PARAMETERS
        assert self.loaded and self.release != "2.15", "no such parameter"
        if verb == "get_param":
            return self.upcall + "\n"
        self.upcall = words[0].partition("=")[2]
        return f"sptlrpc.gss.rsi_upcall={self.upcall}\n"

    def _modprobe(self, name):
        assert name == "ptlrpc_gss" and self.nids, "LNet would be configured by itself"
        self.loaded = True
        return ""

    def _systemctl(self, verb, *words):
        if verb == "daemon-reload":
            self.stale = False
            return ""
        if verb == "show":
            return "\n".join(self._shown(name) for name in words[2:])
        if verb == "enable":
            self.enabled = True
            return 0, "", "Created symlink\n"
        assert (verb, *words) == ("restart", "--", lsvcgssd.UNIT)
        assert not self.stale, "systemd would run the old unit"
        self.running = [daemon for daemon in self.running if not daemon.of_unit]
        words = lsvcgssd.configured(self.files.get(lsvcgssd.SYSCONFIG, "")) or ("-k", "-s", "-z")
        self.start(*words, of_unit=True)
        return ""

    def _shown(self, name):
        load = "masked" if self.masked else "loaded" if self.unit or name != lsvcgssd.UNIT else "not-found"
        state = "generated" if self.release == "2.15" else "enabled" if self.enabled else "disabled"
        reload = "yes" if self.stale else "no"
        # It stays active whatever becomes of its daemon.
        return f"Id={name}\nLoadState={load}\nActiveState=active\nSubState=exited\nUnitFileState={state}\nNeedDaemonReload={reload}\n"

    def _kill(self, sign, pid):
        assert sign == "-TERM"
        self.running = [daemon for daemon in self.running if daemon.pid != int(pid)]
        return ""

    def _journalctl(self, *words):
        return (0, self.journal, "") if self.journal else (1, "", "")

    def start(self, *words, of_unit):
        """As the daemon starts: it asks for credentials, tells the journal, forks; a second one ends at once."""
        self.clock += 10
        parent = 100 + int(self.clock)
        kinds = {"-g": "mgs", "-m": "mds", "-o": "oss"}
        wanted = [kinds[word] for word in words if word in kinds]
        said = ["Kerberos realm: LAB.EXAMPLE"] if "-k" in words else []
        lost = next((kind for kind in wanted if f"lustre_{kind}" not in self.keys), None) if said else None
        if lost:
            said += [f"Unable to obtain credentials for 'lustre_{lost}'", "ERROR: disabling Kerberos support"]
        elif said:
            said += [f"Ready to serve Lustre {kind.upper()} in realm {self.realm}" for kind in wanted]
        self.journal += "".join(f"Nov 22 19:58:33 server lsvcgssd[{parent}]: {text}\n" for text in said)
        if self.running:
            self.journal += f"Nov 22 19:58:33 server lsvcgssd[{parent + 1}]: Another instance is running, exit\n"
            return
        if lost and "-s" not in words:
            return
        self.running.append(Daemon(parent + 1, tuple(words), of_unit, self.clock))
