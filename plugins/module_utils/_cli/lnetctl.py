# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""``lnetctl``: command lines, what it prints as typed values, its errors.

What to know about the tool (Lustre 2.17.0 observed, 2.15 to 2.17 sources):

- Its exit code is the low byte of a negative number and not stable: over netlink nearly
  every failure is 234.  The errno that counts stands in the error document.
- ``export`` ends with 0 even without LNet, its error documents in between.
- It reads commands from standard input, too, but then loses its own command table
  after the first ``net``/``route`` command; batches are therefore never used.
- ``route del`` of an unknown gateway, ``set`` of an impossible value and a tunable that
  is no number all end with 0: only reading back tells.
"""

from __future__ import annotations

from typing import Any, Iterable, Mapping, Sequence

from ansible_collections.lustre.core.plugins.module_utils._cli import lnetctl_yaml
from ansible_collections.lustre.core.plugins.module_utils._cli.lnetctl_state import State, state_of
from ansible_collections.lustre.core.plugins.module_utils._errors import (
    NeedsRelease,
    ToolError,
    ToolMissing,
    UnknownOutput,
)
from ansible_collections.lustre.core.plugins.module_utils._run import Result, Runner

TOOL = "lnetctl"
READ_TIMEOUT = 60.0
CHANGE_TIMEOUT = 120.0
#: ``net del`` of an idle network took 113 s, after peers that never answered (2.17.0).
SLOW_TIMEOUT = 300.0

#: What can be read beside the networks, and the one command that shows just that.
SECTIONS: Mapping[str, tuple[str, ...]] = {
    "routes": (TOOL, "route", "show", "-v"),
    "routing": (TOOL, "routing", "show"),
    "global": (TOOL, "global", "show"),
    "peers": (TOOL, "peer", "show", "-v", "3"),
    "udsp": (TOOL, "udsp", "show"),
}
NET_SHOW = (TOOL, "net", "show", "-v")
EXPORT = (TOOL, "export")
VERSION = (TOOL, "--version")
_TOP = {
    "routes": ("route",),
    "routing": ("routing", "buffers"),
    "global": ("global",),
    "peers": ("peer",),
    "udsp": ("udsp",),
}
_ENETDOWN, _ESHUTDOWN = 100, 108
_UNKNOWN_COMMAND = "is not a valid command"
_NO_MODULE = ("failed to resolve Netlink family id", "kernel modules may not be loaded")


def read(run: Runner, sections: Iterable[str] = ()) -> State:
    """LNet's state in at most two processes: the networks and one section, or one export for all and the peers.

    Peers are always read by their own command: only its third level of detail says, on
    every release, which of them were entered by hand.
    """
    wanted = [name for name in SECTIONS if name in set(sections)]
    try:
        whole = len(wanted) > 1
        first = EXPORT if whole else NET_SHOW
        shown = run(first, None, SLOW_TIMEOUT if whole else READ_TIMEOUT)
        down = not_up(shown)
        if down is not None:
            return down
        exported = [name for name in wanted if whole and name != "peers"]
        tops = ("net", *(top for name in exported for top in _TOP[name]))
        pairs = _checked(first, shown, "LNet's whole state" if whole else "the local networks", tops)
        for name in wanted:
            if name not in exported:
                pairs += _section(run, name)
        return state_of(pairs, wanted, shown.out)
    except ToolMissing:
        raise ToolMissing(
            TOOL,
            "with Lustre's user tools (lustre-client or lustre on EL, lustre-client-utils or lustre-server-utils on Debian)",
        ) from None


def _section(run: Runner, name: str) -> lnetctl_yaml.Pairs:
    result = run(SECTIONS[name], None, READ_TIMEOUT)
    if _UNKNOWN_COMMAND in result.err:
        raise NeedsRelease(f"`lnetctl {SECTIONS[name][1]}`", "2.15", run(VERSION, None, READ_TIMEOUT).out.strip())
    return _checked(SECTIONS[name], result, f"the {name}", _TOP[name])


def not_up(result: Result) -> State | None:
    """The state when LNet is not configured or its module not loaded; None when it may be up."""
    if any(sign in result.err for sign in _NO_MODULE):
        return State(loaded=False, up=False)
    found = lnetctl_yaml.errors(_documents(result, "the local networks"))
    if any(document.what == "net" and document.errno in (_ENETDOWN, _ESHUTDOWN) for document in found):
        return State(loaded=True, up=False)
    return None


def _checked(argv: tuple[str, ...], result: Result, what: str, only: tuple[str, ...]) -> lnetctl_yaml.Pairs:
    """Parsed output of a reading command; ToolError when it failed or mixed in an error about what was asked."""
    found = [
        document
        for document in lnetctl_yaml.errors(_documents(result, what))
        if result.rc != 0 or document.what in only
    ]
    # `peer show` of nothing ends with 234 and no word (2.17.0); every other silence with a bad code is an error.
    silent = argv[1] == "peer" and not (result.out + result.err).strip()
    if found or (result.rc != 0 and not silent):
        raise error(f"read {what}", argv, result.rc, result.out, result.err)
    return lnetctl_yaml.parse(result.out, what, only)


def _documents(result: Result, what: str) -> list[Any]:
    found: list[Any] = list(lnetctl_yaml.parse(result.out, what, ()))
    try:
        found += lnetctl_yaml.parse(result.err, what)
    except UnknownOutput:
        if result.rc == 0 and not found:
            raise
    return found


def error(wanted: str, argv: Sequence[str], rc: int, out: str, err: str, remedy: str = "") -> ToolError:
    """The typed error of a failed command: errno from its error document, from the exit code only without one."""
    found: list[lnetctl_yaml.ErrorDocument] = []
    for text in (err, out):
        try:
            found += lnetctl_yaml.errors(lnetctl_yaml.parse(text, wanted))
        except UnknownOutput:
            continue
    code = found[0].errno if found else (256 - rc if 128 <= rc < 255 else None)
    return ToolError(wanted, argv, rc, out, err, code, remedy)


# ---- command lines ----------------------------------------------------------------------------

CONFIGURE = (TOOL, "lnet", "configure")
MODPROBE = ("modprobe", "lnet")
_OPTIONS = {
    "peer_timeout": "--peer-timeout",
    "peer_credits": "--peer-credits",
    "peer_buffer_credits": "--peer-buffer-credits",
    "credits": "--credits",
    "conns_per_peer": "--conns-per-peer",
    "tos": "--tos",
    "auth_key": "--auth-key",
    "traffic_class": "--traffic-class",
}
TUNABLES = ("peer_timeout", "peer_credits", "peer_buffer_credits", "credits")


def net_add(
    net: str,
    interfaces: Sequence[str],
    tunables: Mapping[str, Any] | None = None,
    lnd_tunables: Mapping[str, Any] | None = None,
    cpts: Sequence[int] = (),
    nid: str | None = None,
) -> tuple[str, ...]:
    """By interfaces, or by the one NID that an interface is to get: then neither network nor interface may be named."""
    words = [TOOL, "net", "add", *(("--nid", nid) if nid else ("--net", net, "--if", ",".join(interfaces)))]
    given = {**(tunables or {}), **(lnd_tunables or {})}
    for name, option in _OPTIONS.items():
        if name in given:
            words += [option, str(given[name])]
    if cpts:
        words += ["--cpt", f"[{','.join(str(cpt) for cpt in cpts)}]"]
    return tuple(words)


def net_del(net: str, interface: str | None = None) -> tuple[str, ...]:
    return (TOOL, "net", "del", "--net", net, *(("--if", interface) if interface else ()))


def net_set_conns(value: int) -> tuple[str, ...]:
    """For all interfaces at once: 2.17.0 ends with 0 and changes nothing for ``--nid``, and takes ``--net`` for all nets."""
    return (TOOL, "net", "set", "--all", "--conns-per-peer", str(value))


def route_add(net: str, gateway: str, hop: int | None, priority: int | None) -> tuple[str, ...]:
    words = [TOOL, "route", "add", "--net", net, "--gateway", gateway]
    words += ["--hop", str(hop)] if hop is not None and hop > 0 else []
    words += ["--priority", str(priority)] if priority is not None else []
    return tuple(words)


def route_del(net: str, gateway: str) -> tuple[str, ...]:
    return (TOOL, "route", "del", "--net", net, "--gateway", gateway)


def set_value(key: str, value: int) -> tuple[str, ...]:
    return (TOOL, "set", key, str(value))


def peer_add(primary: str, nids: Sequence[str], multi_rail: bool) -> tuple[str, ...]:
    words = [TOOL, "peer", "add", "--prim_nid", primary]
    words += ["--nid", ",".join(nids)] if nids else []
    return tuple(words + ([] if multi_rail else ["--non_mr"]))


def peer_del(primary: str, nids: Sequence[str] = ()) -> tuple[str, ...]:
    return (TOOL, "peer", "del", "--prim_nid", primary, *(("--nid", ",".join(nids)) if nids else ()))


def udsp_add(
    src: str | None, dst: str | None, rte: str | None, priority: int | None, idx: int | None
) -> tuple[str, ...]:
    words = [TOOL, "udsp", "add"]
    for option, value in (("--src", src), ("--dst", dst), ("--rte", rte), ("--priority", priority), ("--idx", idx)):
        words += [option, str(value)] if value is not None else []
    return tuple(words)


def udsp_del(idx: int) -> tuple[str, ...]:
    return (TOOL, "udsp", "del", "--idx", str(idx))
