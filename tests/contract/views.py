# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is compared of a recorded and a simulated output: all of the text, or what the collection's parser makes of it.

A view takes both results and what the case says beside its name, and returns two values that must be equal. The
parsers are those that the modules use on real hosts.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from ansible_collections.lustre.core.plugins.module_utils._cli import (
    blockdev,
    lctl,
    lctl_params,
    lfs,
    llog,
    lnetctl,
    modules,
    mounts,
    tunefs_lustre,
)
from ansible_collections.lustre.core.plugins.module_utils._run import Result

Options = Mapping[str, Any]
View = Callable[[Result, Result, Options], tuple[Any, Any]]


def _each(read: Callable[[Result], Any]) -> View:
    """The same reading of both."""
    return lambda recorded, simulated, _options: (read(recorded), read(simulated))


def _text(result: Result) -> dict[str, Any]:
    return {"rc": result.rc, "stdout": result.out, "stderr": result.err}


def _values(result: Result) -> dict[str, str]:
    return dict(lctl_params.parse(result.out, result.err).values)


def _known_values(recorded: Result, simulated: Result, options: Options) -> tuple[Any, Any]:
    """Each parameter that the simulation shows is one that real Lustre shows, and not less than ``at_least`` of them.

    Values are compared but for the names that match a pattern of ``volatile``.
    """
    real, shown = _values(recorded), _values(simulated)
    assert len(shown) >= options["at_least"], f"the simulation shows only {len(shown)}"
    volatile = re.compile("|".join(options.get("volatile", ["(?!)"])))
    present = {name: "" if volatile.search(name) else real.get(name) for name in shown}
    return present, {name: "" if volatile.search(name) else value for name, value in shown.items()}


def _known_names(recorded: Result, simulated: Result, options: Options) -> tuple[Any, Any]:
    """The same for a list of names."""
    real, shown = set(recorded.out.split()), set(simulated.out.split())
    assert len(shown) >= options["at_least"], f"the simulation shows only {len(shown)}"
    return sorted(shown & real), sorted(shown)


def _states(result: Result) -> dict[str, str]:
    return lctl_params.states(_values(result))


def _imports(result: Result) -> dict[str, dict[str, str]]:
    """Per connection what node_info and the health gate read of it."""
    wanted = ("target", "state", "current_connection")
    return {
        name: {key: value for key, value in lctl_params.keys(text).items() if key in wanted}
        for name, text in _values(result).items()
    }


def _devices(result: Result) -> list[tuple[str, str, str]]:
    return sorted((one.state, one.type, one.name) for one in lctl.parse_devices(result.out))


def _usage(result: Result) -> Any:
    usage = lfs.parse_df(result.out)
    return usage.path, [row.uuid for row in usage.targets], dict(usage.inactive)


def _records(result: Result) -> list[tuple[str, dict[str, str]]]:
    volatile = ("createtime", "canceltime")
    return [
        (record.event, {key: value for key, value in record.fields.items() if key not in volatile})
        for record in llog.parse_mixed(result.out)
        if record.event != "marker"
    ]


def _stored(result: Result) -> dict[str, str]:
    stored = llog.stored_params(llog.parse_mixed(result.out))
    return {name: record.fields["value"] for name, record in stored.items()}


def _log_targets(result: Result) -> list[Any]:
    return sorted(llog.targets(llog.parse_mixed(result.out)), key=lambda target: target.label)


def _refusals(result: Result) -> Any:
    return lctl_params.not_set(result.err), lctl_params.refused_instances(result.err)


def _lustre_mounts(result: Result) -> list[tuple[str, str, str]]:
    return [(one.source, one.path, one.fstype) for one in mounts.parse_mounts(result.out) if one.lustre]


VIEWS: dict[str, View] = {
    "text": _each(_text),
    "lines": _each(lambda result: (result.rc, sorted(result.out.splitlines()), result.err)),
    "exit code": _each(lambda result: result.rc),
    "exit code and errors": _each(lambda result: (result.rc, result.err)),
    "parameters": _each(_values),
    "known parameters": _known_values,
    "known names": _known_names,
    "states": _each(_states),
    "imports": _each(_imports),
    "recovery": _each(lambda result: {k: v["status"] for k, v in lctl_params.recovery(_values(result)).items()}),
    "refusals": _each(_refusals),
    "devices": _each(_devices),
    "usage": _each(_usage),
    "records": _each(_records),
    "last record": _each(lambda result: (_records(result)[-1], _values(result))),
    "stored parameters": _each(_stored),
    "targets of a log": _each(_log_targets),
    "target data": _each(lambda result: tunefs_lustre.parse(result.out)),
    "blkid": _each(lambda result: blockdev.parse_blkid(result.out)),
    "modules": _each(lambda result: [(one.name, one.version) for one in modules.parse(result.out)]),
    "networks": _each(lambda result: lnetctl.read(lambda *_: result)),
    "mount table": _each(_lustre_mounts),
}
