# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""cryptsetup: the words that make, open and mark a LUKS2 container, and whether one is open.

To know of it (2.6.1, tried): ``luksFormat`` formats over any signature, in batch mode without a word, and without a terminal
after a warning only; it takes an empty key file and ends with 0; ``config --subsystem`` without ``--label`` takes the label
away; ``luksHeaderBackup`` writes over no file. Keys are in files, never in words.
"""

from __future__ import annotations

import re
from typing import NamedTuple, Sequence

from ansible_collections.lustre.core.plugins.module_utils._errors import ToolError, UnknownOutput
from ansible_collections.lustre.core.plugins.module_utils._run import Runner

TOOL = "cryptsetup"
TIMEOUT = 120.0
MAPPER = "/dev/mapper/"
#: Where the data begins, in bytes: the size that cryptsetup itself gives to headers; asked for, so that it is known.
OFFSET = 16 << 20
#: The exit code for a key that opens nothing.
NO_KEY = 2
_FIELD = re.compile(r"  ([a-z ]+): +(.*)")
_CAUSES = {
    NO_KEY: "The key file does not open this container: find the one that belongs to it. Nothing was written to the device.",
    3: "The node ran out of memory.",
    4: "cryptsetup cannot reach the device.",
    5: "The device or the name is in use: `lsblk` and `dmsetup ls` show by whom.",
}
_NO_DM = "The kernel of this node has no device mapper: `modprobe dm_mod dm_crypt` loads it."


class Mapping(NamedTuple):
    """An open container: its kind (``LUKS2``) and the device below, as cryptsetup names it."""

    type: str
    device: str


def format_argv(device: str, label: str, subsystem: str, key_file: str) -> tuple[str, ...]:
    """PBKDF2 at 200 ms: the key is random, so that nobody guesses it, and a boot opens many containers at once.

    Argon2 (the default) would take a GiB of memory for each of them.
    """
    made = ("--type", "luks2", "--label", label, "--subsystem", subsystem, "--offset", str(OFFSET // 512))
    derived = ("--pbkdf", "pbkdf2", "--iter-time", "200")
    return (TOOL, "luksFormat", "--batch-mode", *made, *derived, "--key-file", key_file, device)


def open_argv(device: str, name: str, key_file: str) -> tuple[str, ...]:
    return (TOOL, "open", "--type", "luks2", "--key-file", key_file, device, name)


def try_argv(device: str, key_file: str) -> tuple[str, ...]:
    """Whether a key opens a container; nothing is opened."""
    return (TOOL, "open", "--type", "luks2", "--test-passphrase", "--key-file", key_file, device)


def mark_argv(device: str, label: str, subsystem: str) -> tuple[str, ...]:
    return (TOOL, "config", "--label", label, "--subsystem", subsystem, device)


def backup_argv(device: str, path: str) -> tuple[str, ...]:
    return (TOOL, "luksHeaderBackup", "--header-backup-file", path, device)


def status(run: Runner, name: str) -> Mapping | None:
    """What is open under a name; None for nothing."""
    argv = (TOOL, "status", name)
    rc, out, err = run(argv, None, TIMEOUT)
    if rc == 4 and out.strip() == f"{MAPPER}{name} is inactive.":
        return None
    if rc != 0:
        raise error(f"tell whether {MAPPER}{name} is open", argv, rc, out, err)
    return parse_status(name, out)


def parse_status(name: str, text: str) -> Mapping:
    first, *rest = text.splitlines() or [""]
    fields = {match[1]: match[2].strip() for match in map(_FIELD.fullmatch, rest) if match}
    if not re.fullmatch(rf"{re.escape(MAPPER + name)} is active(?: and is in use)?\.", first):
        raise UnknownOutput("cryptsetup status", f"what {MAPPER}{name} is", text)
    if not fields.get("type") or not fields.get("device"):
        raise UnknownOutput("cryptsetup status", f"what {MAPPER}{name} is", text)
    return Mapping(fields["type"], fields["device"])


def error(wanted: str, argv: Sequence[str], rc: int, out: str, err: str) -> ToolError:
    """The error of a failed call: cryptsetup's exit codes are its own, no errnos."""
    remedy = _NO_DM if "device-mapper" in err else _CAUSES.get(rc, "")
    return ToolError(wanted, argv, rc, out, err, None, remedy)
