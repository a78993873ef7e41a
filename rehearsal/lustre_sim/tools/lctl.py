# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""lctl: the list of its commands in the real order, and what the simulation has of them.

A command is ``function(words, io) -> int``: negative results are error numbers and become positive exit codes.
``FUNCTIONS`` is where other modules enter theirs.  A command of the real lctl without a function here is known to
``--list-commands`` and fails with EOPNOTSUPP.
"""

from __future__ import annotations

import errno
from typing import Any, TextIO

from ..faults import Faults
from . import lctl_changelog, lctl_lnet, lctl_nodemap, lctl_obd, lctl_params
from ._parser import Command, Function, Interpreter, Io

PROGRAM = "lctl"
VERSION = "2.17.0_dirty"

# Headings begin with "=" and stand before their commands, as --list-commands shows them.
NAMES: tuple[tuple[str, str], ...] = (
    ("===== metacommands =======", "--device"),
    ("======== control =========", "lustre_build_version"),
    (
        "===== network config =====",
        "--net network net list_nids which_nid replace_nids interface_list peer_list conn_list route_list show_route ping "
        "net_drop_add net_drop_del net_drop_reset net_drop_list net_drop net_delay_add net_delay_del net_delay_reset "
        "net_delay_list net_delay",
    ),
    ("==== obd device selection ====", "device cfg_device device_list dl"),
    (
        "==== obd device operations ====",
        "activate deactivate abort_recovery abort_recovery_mdt recover conf_param get_param set_param apply_yaml "
        "list_param find_param del_ost",
    ),
    (
        "==== debugging control ====",
        "debug_daemon debug_kernel dk debug_file df clear mark filter show debug_list modules",
    ),
    ("===  Pools ==", "pool_new pool_add pool_remove pool_destroy pool_list"),
    ("===  Barrier ==", "barrier_freeze barrier_thaw barrier_stat barrier_rescan barrier"),
    (
        "===  Snapshot ==",
        "snapshot_create snapshot_destroy snapshot_modify snapshot_list snapshot_mount snapshot_umount snapshot",
    ),
    (
        "=== Nodemap ===",
        "nodemap_activate nodemap_add nodemap_new nodemap_del nodemap_add_range nodemap_del_range nodemap_banlist_add "
        "nodemap_banlist_del nodemap_fileset_add nodemap_fileset_del nodemap_fileset_modify nodemap_modify "
        "nodemap_add_offset nodemap_del_offset nodemap_add_idmap nodemap_del_idmap nodemap_set_fileset "
        "nodemap_set_sepol nodemap_set_cap nodemap_test_nid nodemap_test_id nodemap_info nodemap",
    ),
    ("===  Changelogs ==", "changelog_register changelog_deregister changelog"),
    ("=== Persistent Client Cache ===", "pcc"),
    ("== device setup (these are not normally used post 1.4) ==", "attach detach setup cleanup"),
    ("==== LFSCK ====", "lfsck_start lfsck_stop lfsck_query lfsck"),
    (
        "==== LLOG ====",
        "llog_catlist llog_info llog_print llog_cancel llog_check llog_remove llog lcfg_clear clear_conf lcfg_fork "
        "fork_lcfg lcfg_erase erase_lcfg",
    ),
    ("==== obsolete (DANGEROUS) ====", "add_interface del_interface add_route del_route set_route"),
    (
        "==== testing (DANGEROUS) ====",
        "--threads lookup readonly notransno add_uuid del_uuid add_peer del_peer add_conn del_conn disconnect push mynid "
        "fail test_create test_mkdir test_destroy test_rmdir test_lookup test_setxattr test_md_getattr getattr setattr "
        "create destroy test_getattr test_setattr test_brw getobjversion",
    ),
)


def _plain(command: lctl_params.Command) -> Function:
    """A command that knows no batch: its exit code is already the errno."""
    return lambda argv, io: command(argv, io.out, io.err, io.kernel)


FUNCTIONS: dict[str, Function] = {
    **lctl_lnet.FUNCTIONS,
    **lctl_obd.FUNCTIONS,
    **lctl_nodemap.FUNCTIONS,
    **lctl_changelog.FUNCTIONS,
    **{name: _plain(command) for name, command in lctl_params.COMMANDS.items()},
}


def _absent(name: str) -> Function:
    def run(_argv: list[str], io: Io) -> int:
        io.err.write(f"error: {name}: not in the simulation\n")
        return -errno.EOPNOTSUPP

    return run


def table() -> list[Command]:
    commands = []
    helps = {**lctl_params.HELP, **lctl_nodemap.HELP, **lctl_changelog.HELP}
    for heading, names in NAMES:
        commands.append(Command(heading, None))
        commands += [
            Command(name, FUNCTIONS.get(name) or _absent(name), helps.get(name, name)) for name in names.split()
        ]
    return commands


def main(argv: list[str], stdin: TextIO, out: TextIO, err: TextIO, kernel: Any) -> int:
    ended = Faults.of(kernel).at_start(PROGRAM, out)
    if ended is not None:
        return ended
    rc = Interpreter(Io(PROGRAM, stdin, out, err, kernel), table(), VERSION).main(argv)
    return abs(rc) & 0xFF
