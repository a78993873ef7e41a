# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The usage text of mkfs.lustre and tunefs.lustre: loaded only when one of them must print it."""

from __future__ import annotations

_HEAD = """\
usage: {p} <target type> --backfstype=ldiskfs --fsname=<filesystem name>
\t--index=<target index> [options] <device>

usage: {p} <target type> --backfstype=zfs --fsname=<filesystem name> [options]
\t<pool name>/<dataset name>
\t[[<vdev type>] <device> [<device> ...] [vdev type>] ...]
\t<device>:block device or file (e.g /dev/sda or /tmp/ost1)
\t<pool name>: name of ZFS pool where target is created (e.g. tank)
\t<dataset name>: name of new dataset, must be unique within pool (e.g. ost1)
\t<vdev type>: type of vdev (mirror, raidz, raidz2, spare, cache, log)

\ttarget types:
\t\t--mgs: configuration management service
\t\t--nomgs: turn off MGS service on this MDT
"""
_MKFS_TYPES = """\
\t\t--mdt: metadata storage, mutually exclusive with ost
\t\t--ost: object storage, mutually exclusive with mdt, mgs

"""
_COMMON = """\
\toptions (in order of popularity):
\t\t--index=#N: numerical target index (0..N)
\t\t\trequired for all targets other than the MGS,
\t\t\ttarget index may either be a decimal number or
\t\t\thexadecimal number starting with '0x'
\t\t--fsname=<8_char_filesystem_name>: fs targets belong to
\t\t\trequired for all targets other than MGS
\t\t--mgsnode=<nid>[,<...>]: NID(s) of remote MGS
\t\t\trequired for all targets other than MGS
\t\t--mountfsoptions=<opts>: permanent Lustre mount options
\t\t--backfs-mount-opts=<opts>: backing fs mount options
\t\t--failnode=<nid>[,<...>]: NID(s) of backup failover node
\t\t\tmutually exclusive with --servicenode
\t\t--servicenode=<nid>[,<...>]: NID(s) of service partners
\t\t\ttreat nodes as equal service node, mutually exclusive with --failnode
\t\t--param <key>=<value>: set a permanent parameter
\t\t\te.g. --param sys.timeout=40
\t\t\t     --param lov.stripesize=2M
\t\t--network=<net>[,<...>]: restrict OST/MDT to network(s)
"""
_MKFS = """\
\t\t--backfstype=<fstype>: backing fs type (ldiskfs, zfs)
\t\t--device-size=#N(KB): device size for loop devices
\t\t--mkfsoptions=<opts>: format options
\t\t--reformat: overwrite an existing disk
\t\t--stripe-count-hint=#N: for optimizing MDT inode size
"""
_TUNEFS = """\
\t\t--erase-param <key>: erase all instances of a parameter
\t\t--erase-params: erase all old parameter settings
\t\t--writeconf: erase all config logs for this fs.
\t\t--nolocallogs: use logs from MGS, not local ones.
\t\t--quota: enable space accounting on old 2.x device.
\t\t--rename: rename the filesystem name
\t\t--mountdata-reset-from=<dev|file>: reset CONFIGS/mountdata file.
"""
_TAIL = """\
\t\t--replace: replace an old target with the same index
\t\t--comment=<user comment>: arbitrary string (824 bytes)
\t\t--dryrun: report what we would do; don't write to disk
\t\t--verbose: e.g. show mkfs progress
\t\t--force-nohostid: Ignore hostid requirement for ZFS import
\t\t-V|--version: output build version of the utility and
\t\t\texit
\t\t--quiet
"""


def usage(program: str, tune: bool) -> str:
    parts = [_HEAD] + ([] if tune else [_MKFS_TYPES]) + [_COMMON, _TUNEFS if tune else _MKFS, _TAIL]
    return "".join(parts).replace("{p}", program)
