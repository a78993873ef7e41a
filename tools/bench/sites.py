# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Site files for benchmarks: as many servers and clients as wanted, in the form that an administrator would write."""

from __future__ import annotations

import ipaddress

OSTS_PER_PAIR = 4
PAIRS_PER_FILE_SYSTEM = 24


def large(clients: int, servers: int) -> str:
    """Ranges of hosts; for each 50 servers a file system with a fail-over pair for its MDT and pairs of OSS; every client mounts all."""
    systems = max(1, servers // (2 + 2 * PAIRS_PER_FILE_SYSTEM))
    mds = 2 * systems
    oss = servers - mds
    lines = [
        "plugin: lustre.core.site",
        "hosts:",
        f"  mds[001-{mds:03}]: {{ansible_host: 10.1.0.1+}}",
        f"  oss[001-{oss:03}]: {{ansible_host: 10.2.0.1+}}",
        f"  client[00001-{clients:05}]: {{ansible_host: 10.8.0.1+, groups: [compute]}}",
        "lnet:",
        "  networks:",
        "    - {net: tcp0, hosts: [lustre_all], interfaces: [eth0]}",
        "filesystems:",
    ]
    for number in range(systems):
        first = 2 * number + 1
        pair = f"[mds{first:03}, mds{first + 1:03}]"
        device = f"/dev/disk/by-id/scsi-{number}"
        lines += [
            f"  - name: fs{number}",
            f"    mgs: {{servers: {pair}, device: {device}-mgt}}",
            "    mdts:",
            f"      - {{index: 0, servers: {pair}, device: {device}-mdt0}}",
            "    osts:",
        ]
        begin, end = (oss // 2 * step // systems for step in (number, number + 1))
        for place in range(end - begin):
            one = 2 * (begin + place) + 1
            lines.append(
                f"      - {{index: {OSTS_PER_PAIR * place}-{OSTS_PER_PAIR * place + OSTS_PER_PAIR - 1}, "
                f'servers: [oss{one:03}, oss{one + 1:03}], device: "{device}-ost{{index}}"}}'
            )
        lines += [
            f"    params: {{osc.fs{number}-*.max_dirty_mb: 64}}",
            "    clients:",
            f"      - {{hosts: [compute], path: /mnt/fs{number}, options: [flock]}}",
        ]
    return "\n".join([*lines, ""])


#: Hosts of the site on rehearsal hosts, in the order in which smaller runs take them: each beginning is a usable site.
REHEARSED = ("mds1", "client1", "mds2", "oss1", "oss2", "client2", "client3", "client4")


def rehearsed(hosts: int) -> tuple[str, list[str]]:
    """A site of fail-over pairs with parameters and a directory that a client mounts by itself, and its hosts."""
    names = [*REHEARSED, *(f"client{number}" for number in range(5, hosts - len(REHEARSED) + 5))][:hosts]
    first = {"mds": 11, "oss": 21, "client": 40}
    lines = ["plugin: lustre.core.site", "hosts:"]
    for name in names:
        kind, number = name.rstrip("0123456789"), int(name.lstrip("abcdefghijklmnopqrstuvwxyz"))
        last = first[kind] + number
        lines.append(
            f"  {name}: {{ansible_host: {ipaddress.ip_address('10.76.0.0') + last}, "
            f"nids: {ipaddress.ip_address('10.77.0.0') + last}@tcp0}}"
        )
    whole = [name for name in names if name.startswith("client") and name != "client2"]
    lines += [
        "lnet:",
        "  networks:",
        "    - {net: tcp0, hosts: [lustre_all], interfaces: [eth0]}",
        "filesystems:",
        "  - name: bench",
        "    format: true",
        "    mgs: {servers: [mds1, mds2], device: /dev/disk/by-id/scsi-mgt}",
        "    mdts:",
        "      - {index: 0, servers: [mds1, mds2], device: /dev/disk/by-id/scsi-mdt0}",
        "      - {index: 1, servers: [mds2, mds1], device: /dev/disk/by-id/scsi-mdt1}",
        "    osts:",
        '      - {index: 0-1, servers: [oss1, oss2], device: "/dev/disk/by-id/scsi-ost{index}"}',
        '      - {index: 2-3, servers: [oss2, oss1], device: "/dev/disk/by-id/scsi-ost{index}"}',
        '    params: {"osc.bench-*.max_dirty_mb": 64, "osc.bench-*.max_rpcs_in_flight": 16}',
        "    directories:",
        '      - {path: /projects, mode: "0755"}',
        "    clients:",
        f"      - {{hosts: [{', '.join(whole)}], path: /mnt/bench, options: [flock]}}",
        "      - {hosts: [client2], path: /mnt/bench, subdir: /projects}",
        "vars:",
        "  lustre_packages_source: repository",
        '  lustre_packages_repositories: ["file:/srv/lustre-packages"]',
        "  lustre_packages_gpg_check: false",
        "  lustre_packages_version: 2.17.0",
    ]
    return "\n".join([*lines, ""]), names
