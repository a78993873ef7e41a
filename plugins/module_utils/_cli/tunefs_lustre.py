# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""tunefs.lustre: read what a target says about itself, and rewrite its parameters whole.

``--dryrun`` is the read form and works on a mounted target, too (2.17.0; ``--print``
does not exist).  Its first block, "Read previous values", is what is on disk; the
second one is what would be written and differs between releases.
``--mgsnode`` and ``--servicenode`` append, so that only the form with
``--erase-params`` and the complete set can be repeated.
"""

from __future__ import annotations

import re
from typing import Mapping, Sequence

from ansible_collections.lustre.core.plugins.module_utils._cli import mountdata
from ansible_collections.lustre.core.plugins.module_utils._cli.mountdata import TargetData
from ansible_collections.lustre.core.plugins.module_utils._errors import ToolError, UnknownOutput
from ansible_collections.lustre.core.plugins.module_utils._nid import join_nodes
from ansible_collections.lustre.core.plugins.module_utils._run import Runner

TOOL = "tunefs.lustre"
READ_TIMEOUT = 60.0
ENODEV = 19
_HEAD = re.compile(r"^ *Read previous values:[ \t]*$", re.M)
_FIELDS = (
    "Target",
    "Index",
    "UUID",
    "Lustre FS",
    "Mount type",
    "Flags",
    "Persistent mount opts",
    "Parameters",
    "Comment",
)
_NEEDED = ("Target", "Index", "Lustre FS", "Mount type", "Flags", "Persistent mount opts", "Parameters")
_FIELD = re.compile(rf"({'|'.join(_FIELDS)}):[ \t]*(.*)")
_FLAG_NAMES = re.compile(r"[ \t]+\([\w ]*\)")


def read_argv(device: str) -> list[str]:
    return [TOOL, "--dryrun", device]


def read(run: Runner, device: str) -> TargetData | None:
    """The target on ``device`` (block device or pool/dataset), or None when the tool says that there is none.

    Only the tool's own full sentence counts as "none": anything else it may fail with
    (a device that vanished, a backend it cannot read) is a ToolError.
    """
    argv = read_argv(device)
    rc, out, err = run(argv, None, READ_TIMEOUT)
    if rc == 0:
        return parse(out, device)
    if rc == ENODEV and "existing Lustre data: not found" in out and "has not been formatted with mkfs.lustre" in err:
        return None
    raise ToolError(f"read which Lustre target is on {device}", argv, rc, out, err, rc if rc > 1 else None)


def parse(text: str, device: str = "a device") -> TargetData:
    """The first block of ``tunefs.lustre --dryrun``; UnknownOutput when it is not whole or contradicts itself."""
    try:
        fields = _first_block(text)
        return mountdata.make(
            name=fields["Target"],
            flags=int(fields["Flags"], 16),
            fsname=fields["Lustre FS"],
            index=None if fields["Index"] == "unassigned" else int(fields["Index"]),
            backend=fields["Mount type"],
            mount_options=fields["Persistent mount opts"],
            params=[_param(word) for word in fields["Parameters"].split()],
        )
    except ValueError as problem:
        raise UnknownOutput(TOOL, f"the target on {device} ({problem})", text) from None


def _first_block(text: str) -> dict[str, str]:
    head = _HEAD.search(text)
    if head is None:
        raise ValueError("no block 'Read previous values'")
    fields: dict[str, str] = {}
    for line in text[head.end() :].splitlines()[1:]:
        if not line.strip():
            break
        match = _FIELD.fullmatch(line)
        if match and match[1] not in fields:
            fields[match[1]] = match[2].strip()
        elif match or not ("Flags" in fields and "Persistent mount opts" not in fields and _FLAG_NAMES.fullmatch(line)):
            raise ValueError(f"the line {line.strip()!r}")
    missing = [name for name in _NEEDED if name not in fields]
    if missing:
        raise ValueError(f"without {', '.join(missing)}")
    return fields


def _param(word: str) -> tuple[str, str]:
    key, equals, value = word.partition("=")
    if not equals or not key:
        raise ValueError(f"the parameter {word!r}")
    return key, value


def rewrite_argv(
    device: str,
    mgs_nids: Sequence[Sequence[str]],
    service_nids: Sequence[Sequence[str]],
    fail_nids: Sequence[Sequence[str]],
    networks: Sequence[str],
    params: Mapping[str, Sequence[str]],
) -> list[str]:
    """The one command that replaces every parameter of a target: nothing on disk before survives but what is given.

    ``--servicenode`` and ``--failnode`` exclude each other; the caller gives one of them.
    """
    argv = [TOOL, "--erase-params"]
    argv += [f"--mgsnode={join_nodes([node])}" for node in mgs_nids]
    argv += [f"--servicenode={join_nodes([node])}" for node in service_nids]
    argv += [f"--failnode={join_nodes([node])}" for node in fail_nids]
    if networks:
        argv.append(f"--network={','.join(networks)}")
    argv += [f"--param={key}={value}" for key, values in params.items() for value in values]
    return [*argv, device]
