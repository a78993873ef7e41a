# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which packages a node needs, and all that ``lustre.core.packages_info`` is to be asked for it.

In Python and not as variables of the role that stand on each other: ansible-core compiles each
template anew for every host, and a chain of twenty took most of what a host costs the controller.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ansible.module_utils.parsing.convert_bool import boolean

from ansible_collections.lustre.core.plugins.plugin_utils._site.shape import plain

_SERVER_MODULES = ("mgs", "mdt", "ofd")


def packages_asked(
    families: Mapping[str, Any],
    kind: str,
    backends: Sequence[str] = (),
    dkms: Any = False,
    extra: Sequence[str] = (),
    kernel: str = "",
    hold_kernel: Any = True,
    managed: Mapping[str, Any] | None = None,
    luks: Any = False,
    **asked: Any,
) -> dict[str, Any]:
    """The options of ``packages_info``; ``asked`` are those that nothing here changes (version, repositories, directory).

    The family of the node's system is found on the node, in the one call that a converged host costs: so all are given.
    """
    server, own = plain(kind) == "server", [str(plain(name)) for name in backends]
    built = boolean(plain(dkms), strict=False)
    words = [str(plain(kind)), *(sorted(own or ["ldiskfs"]) if server else []), *(["dkms"] if built else [])]
    none = {"unavailable": _unavailable(words[0], own if server else [], built)}
    hold = boolean(plain(hold_kernel), strict=False)
    sealed = server and boolean(plain(luks), strict=False)
    return {
        **{key: plain(value) for key, value in asked.items()},
        "families": {
            str(plain(name)): _family(
                families[name], "_".join(words), words[0], none, extra, bool(kernel), hold, sealed
            )
            for name in families
        },
        "kernel": plain(kernel),
        "dkms": built,
        "modules": ["lnet", "lustre", *((*_SERVER_MODULES, *(f"osd_{name}" for name in own)) if server else ())],
        "basics": ["time", "updatedb", *(["hostid"] if server and "zfs" in own else [])],
        "managed": [str(plain(name)) for name, value in (managed or {}).items() if boolean(plain(value), strict=False)],
    }


def _family(
    family: Mapping[str, Any],
    name: str,
    kind: str,
    none: Mapping[str, Any],
    extra: Sequence[str],
    other_kernel: bool,
    hold: bool,
    sealed: bool,
) -> dict[str, Any]:
    chosen = plain(family["sets"][name]) if name in family["sets"] else dict(none)
    boot = plain(family["kernel"]["boot"]) if other_kernel else []
    below = plain(family.get("luks", [])) if sealed else []
    return {
        **chosen,
        "requires": [*chosen.get("requires", ()), *below, *plain(list(extra)), *boot],
        "opposite": plain(family["opposite"][kind]),
        "kernel": plain(family["kernel"]["hold"]) if hold else [],
    }


def _unavailable(kind: str, backends: Sequence[str], dkms: bool) -> str:
    what = kind + (f" on {' and '.join(backends)}" if backends else "") + (" built by DKMS" if dkms else "")
    return (
        f"There are no packages of Lustre for this family of systems as a {what}: use another system, the other value of "
        "lustre_packages_dkms, or install your own build and set `lustre_packages_source: installed`."
    )
