# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""lctl's commands about LNet: list_nids, which_nid, ping, network, route_list and what hangs on them.

Results are negative error numbers; lctl turns them into positive exit codes.
"""

from __future__ import annotations

import errno
import os

from ..kernel.nids import canonical_net, canonical_nid, net_of
from ..sim_error import NotLoaded, SimError
from ._parser import HELP, Io

NO_MODULE = "Writer error: failed to resolve Netlink family id\n"
NO_DEVICE = "opening /dev/lnet failed: No such file or directory\nhint: the kernel modules may not be loaded\n"
MAX_PING_TIMEOUT = 120


def list_nids(argv: list[str], io: Io) -> int:
    if len(argv) > 1:
        io.err.write("usage: list_nids [all]\n")
        return 0
    try:
        nids = io.kernel.call("lnet.nids", all=argv == ["all"])
    except NotLoaded:
        io.err.write(NO_MODULE + NO_DEVICE + "IOC_LIBCFS_GET_NI error 2: No such file or directory\n")
        return -1
    except SimError as error:
        io.err.write("Reader error: 'Unspecific failure' at 0\n")
        io.err.write(f"IOC_LIBCFS_GET_NI error {error.errno}: {os.strerror(error.errno)}\n")
        return -1
    only = io.shared.get("net")
    io.out.write("".join(nid + "\n" for nid in nids if only in (None, net_of(nid))))
    return 0


def ping(argv: list[str], io: Io) -> int:
    """Answer and failure both on stdout; an argument that is no NID on stderr."""
    if not argv:
        io.err.write("usage: ping id [timeout (secs)]\n")
        return -errno.EINVAL
    nid = argv[0].partition("-")[2] if argv[0].partition("-")[0].isdigit() else argv[0]
    if canonical_nid(nid) is None:
        io.err.write(f'Invalid NID argument "{nid}"\n')
        return -errno.EINVAL
    timeout = int(argv[1]) if len(argv) > 1 and argv[1].isdigit() else 1
    if timeout > MAX_PING_TIMEOUT:
        io.err.write(f"Timeout {argv[1]} is to large\n")
        return -errno.EINVAL
    try:
        answer = io.kernel.call("lnet.ping", nid=nid, timeout=float(timeout))
    except NotLoaded:
        io.err.write(NO_MODULE)
        return -errno.EINVAL
    except SimError as error:
        io.out.write(f"failed to ping {argv[0]}: {os.strerror(error.errno)}\n")
        return -error.errno
    io.out.write("12345-0@lo\n" + "".join(one + "\n" for one in answer["nids"]))
    return 0


def which_nid(argv: list[str], io: Io) -> int:
    if not argv:
        io.err.write("usage: which_nid NID [NID...]\n")
        return 0
    for nid in argv:
        if canonical_nid(nid) is None:
            io.err.write(f"Can't parse NID {nid}\n")
            return -1
    try:
        best = io.kernel.call("lnet.which_nid", nids=argv)
    except NotLoaded:
        io.err.write(NO_MODULE)
        best = None
    except SimError as error:
        io.err.write(f"Unexpected distance: {os.strerror(error.errno)}\n")
        best = None
    if best is None:
        io.err.write("No reachable NID\n")
        return -1
    io.out.write(f"{best}\n")
    return 0


def network(argv: list[str], io: Io) -> object:
    """``up``/``configure``, ``down``/``unconfigure``, or a net that the following commands are about."""
    if not 1 <= len(argv) <= 2:
        return HELP
    if argv[0] in ("unconfigure", "down"):
        try:
            io.kernel.call("lnet.unconfigure")
        except SimError as error:
            text = "LNET busy" if error.errno == errno.EBUSY else os.strerror(error.errno)
            io.out.write(
                f"{text}\n" if error.errno == errno.EBUSY else f"LNET unconfigure error {error.errno}: {text}\n"
            )
            return -error.errno
        io.out.write("LNET ready to unload\n")
        return 0
    if argv[0] in ("configure", "up"):
        try:
            io.kernel.call("lnet.configure", all=True)
        except SimError as error:
            io.err.write(f"LNET configure error {error.errno}: {error.text or os.strerror(error.errno)}\n")
            return -error.errno
        io.out.write("LNET configured: New Created\n")
        return 0
    net = canonical_net(argv[0])
    if net is None:
        io.err.write(f"Can't parse net {argv[0]}\n")
        return -1
    io.shared["net"] = net
    return 0


def route_list(_argv: list[str], io: Io) -> int:
    try:
        routes = io.kernel.call("lnet.route_show")
    except NotLoaded:
        io.err.write(NO_MODULE)
        return -errno.EINVAL
    except SimError as error:
        io.err.write(f"Error getting routes: {os.strerror(error.errno)}: check dmesg.\n")
        return -1
    for route in routes:
        io.out.write(
            f"net {route['net']:>18} hops {route['hop']} gw {route['gateway']:>32} {route['state']} "
            f"pri {route['priority']}\n"
        )
    return 0


def drop_list(_argv: list[str], io: Io) -> int:
    """Recorded of a node without any rule: a rule of zeros and exit code 22."""
    io.out.write("0@<0:0>->0@<0:0> (1/0 | 0) ptl 0, msg 0, 0/0, PUT 0, ACK 0, GET 0, REP 0\nfound total 0\n")
    return -errno.EINVAL


FUNCTIONS = {
    "--net": network,
    "network": network,
    "net": network,
    "list_nids": list_nids,
    "which_nid": which_nid,
    "ping": ping,
    "route_list": route_list,
    "show_route": route_list,
    "net_drop_list": drop_list,
}
