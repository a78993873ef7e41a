#!/usr/bin/python
# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: lnet
short_description: Configure LNet on a node, now and at every boot
version_added: 0.1.0
description:
  - Brings the running LNet to the declared state by the difference, with single C(lnetctl) commands. Nothing is
    restarted, and nothing is imported over a running configuration.
  - Writes the same to C(/etc/lnet.conf), C(/etc/modprobe.d/lustre.conf) and a drop-in of C(lnet.service), so that the
    next boot comes up alike. The drop-in orders LNet after its interfaces, waits for their addresses, and starts LNet
    also where its module is loaded already, which the packaged unit skips in silence.
  - What is not declared stays, unless its list is named in O(purge).
  - Fails when the node does not get the NIDs that are expected, naming what is there instead. Lustre brings up a
    default network by itself when it is mounted without a configured LNet, and such a node would be known by a wrong
    NID ever after.
options:
  networks:
    description:
      - The networks of this node. All interfaces of one network make a multi-rail node.
      - Without it, networks and the files are left alone.
    type: list
    elements: dict
    default: []
    suboptions:
      net:
        description: The network, such as V(tcp), V(tcp1), V(o2ib).
        type: str
        required: true
      interfaces:
        description: The interfaces of Linux that carry it. They must exist and have an address.
        type: list
        elements: str
        required: true
      tunables:
        description:
          - Tunables of the network. LNet takes them only when an interface is added, so a difference is reported, and
            repaired only with consent in O(remove_networks).
        type: dict
        suboptions:
          peer_timeout:
            description: Seconds after which a silent peer counts as gone.
            type: int
          peer_credits:
            description: Messages that may be under way to one peer.
            type: int
          peer_buffer_credits:
            description: Router buffers that one peer may hold.
            type: int
          credits:
            description: Messages that may be under way in all.
            type: int
      lnd_tunables:
        description:
          - Tunables of the network's driver that Lustre sets per interface. All others are options of its module, see
            O(module_options).
        type: dict
        suboptions:
          conns_per_peer:
            description:
              - Connections to each peer. V(0) leaves the number to LNet.
              - Set on running interfaces where all of them are to have the same number, since no command sets it for one of
                them. Where they are to differ it is taken when an interface is added, as O(networks[].tunables) are.
            type: int
          tos:
            description: Type of service of the IP packets (Lustre 2.16 and newer).
            type: int
          auth_key:
            description: Authorization key (C(kfi) only).
            type: int
          traffic_class:
            description: Traffic class (C(kfi) only).
            type: str
      cpts:
        description: CPU partitions that the network is bound to.
        type: list
        elements: int
  nids:
    description: The NIDs that this node must have afterwards.
    type: list
    elements: str
    default: []
  routes:
    description: Routes to networks that this node is not on.
    type: list
    elements: dict
    default: []
    suboptions:
      net:
        description: The remote network.
        type: str
        required: true
      gateway:
        description: NID of the router on one of this node's own networks.
        type: str
        required: true
      hop:
        description: Hops to the remote network. Not compared when it is left out.
        type: int
      priority:
        description: Priority, V(0) is the best. Not compared when it is left out.
        type: int
  routing:
    description: Whether this node forwards messages between its networks. Left alone when it is not given.
    type: dict
    suboptions:
      enabled:
        description: Forward or not. Lustre 2.17 takes some two minutes to begin or to end.
        type: bool
        required: true
      tiny:
        description: Router buffers for messages without data, in total.
        type: int
      small:
        description: Router buffers of one page, in total.
        type: int
      large:
        description: Router buffers of 1 MiB, in total.
        type: int
  peers:
    description: Peers that discovery does not find.
    type: list
    elements: dict
    default: []
    suboptions:
      primary:
        description: The peer's first NID.
        type: str
        required: true
      nids:
        description: All NIDs of the peer.
        type: list
        elements: str
      multi_rail:
        description:
          - Whether the peer may be reached over several of its NIDs at once.
          - Lustre 2.17 takes no notice of V(false) - whoever is entered is multi-rail there. That is then shown as drift, and not repaired.
        type: bool
        default: true
  discovery:
    description: Whether peers are asked for all their NIDs. Left alone when it is not given.
    type: bool
  global:
    description:
      - Settings of C(lnetctl set) by their names there (V(transaction_timeout), V(retry_count), V(health_sensitivity),
        V(router_sensitivity), V(response_tracking), V(recovery_limit), V(recovery_interval),
        V(max_recovery_ping_interval), V(max_interfaces), V(numa_range), V(drop_asym_route)) with whole numbers.
    type: dict
    default: {}
  udsp:
    description: User-defined selection policies in the order in which LNet shall evaluate them.
    type: list
    elements: dict
    default: []
    suboptions:
      src:
        description: Local network, NID or range of NIDs.
        type: str
      dst:
        description: Remote NID or range of NIDs.
        type: str
      rte:
        description: Router NID or range of NIDs.
        type: str
      priority:
        description: Priority, V(0) is the highest.
        type: int
  module_options:
    description:
      - Options of kernel modules, by module, that must be known before it is loaded. They fill
        C(/etc/modprobe.d/lustre.conf), a whole file. An empty mapping removes that file if this module wrote it.
      - A loaded module keeps its value, which is reported as drift.
    type: dict
  purge:
    description:
      - Lists of which everything that is not declared is removed. For peers, only those that were entered by hand.
    type: list
    elements: str
    choices: [networks, routes, peers, udsp]
    default: []
  remove_networks:
    description:
      - Networks that may be taken down although Lustre is mounted on this node, because they are purged or because
        their tunables can be changed in no other way. Connections over them drop.
    type: list
    elements: str
    default: []
notes:
  - The module refuses a node whose LNet is configured by options of the kernel module (C(networks=), C(ip2nets=),
    C(routes=)), because the two ways must not be mixed.
  - A C(/etc/lnet.conf) with settings that somebody else wrote is never replaced, unless it says the same.
  - An IPv6 address becomes a NID when it is named in O(nids), such as C(fd00::15@tcp). The interface is then added by that NID, for which
    C(lnetctl net add --nid) is needed (Lustre 2.16 and newer), and an interface has one NID in one network. All nodes that talk to it
    need a release that knows such NIDs.
  - O(udsp) is kept in the start script of the unit, not in C(/etc/lnet.conf), because the import of Lustre 2.17 refuses
    policies of priority 0.
seealso:
  - module: lustre.core.node
author:
  - lustre.core contributors (@lustre-core)
extends_documentation_fragment:
  - lustre.core.attributes
"""

EXAMPLES = r"""
- name: LNet of a client that reaches the servers through a router
  lustre.core.lnet:
    networks:
      - net: tcp1
        interfaces: [eth0]
    nids: [10.77.1.42@tcp1]
    routes:
      - net: tcp
        gateway: 10.77.1.30@tcp1

- name: LNet of a router between tcp and tcp1
  lustre.core.lnet:
    networks:
      - net: tcp
        interfaces: [eth0]
      - net: tcp1
        interfaces: [eth1]
    nids: [10.77.0.30@tcp, 10.77.1.30@tcp1]
    routing:
      enabled: true
      tiny: 2048
      small: 16384
      large: 1024

- name: A multi-rail server on InfiniBand, its driver tuned for all of it
  lustre.core.lnet:
    networks:
      - net: o2ib
        interfaces: [ib0, ib1]
        tunables:
          peer_credits: 32
          credits: 1024
        lnd_tunables:
          conns_per_peer: 4
    nids: [172.16.0.10@o2ib, 172.16.1.10@o2ib]
    global:
      transaction_timeout: 150
      retry_count: 2
    module_options:
      ko2iblnd:
        peer_credits: 32
        concurrent_sends: 64

- name: Take an abandoned network away although Lustre is mounted over the other one
  lustre.core.lnet:
    networks:
      - net: o2ib
        interfaces: [ib0]
    purge: [networks]
    remove_networks: [tcp]
"""

RETURN = r"""
plan:
  description: The steps that were taken, or in check mode would be, in their order. Those that were carried out say in C(seconds) how long they took.
  returned: success
  type: list
  elements: dict
  sample:
    - kind: lnet
      action: add network
      object: tcp on eth0
      reason: declared and not there
      command: lnetctl net add --net tcp --if eth0
      disruptive: false
      destructive: false
drift:
  description: Differences that are shown but not repaired by this run, each with what repairs it.
  returned: success
  type: list
  elements: dict
  sample:
    - kind: lnet
      object: tcp9
      found: there with 10.0.2.15@tcp9
      wanted: not declared
      remedy: Declare it, or add networks to purge to have it removed.
state:
  description: LNet afterwards. Sections that were not declared are not read and not listed.
  returned: success
  type: dict
  sample:
    loaded: true
    up: true
    nids: [10.77.1.42@tcp1]
    networks:
      - net: tcp1
        nid: 10.77.1.42@tcp1
        status: up
        interfaces: [eth0]
        tunables: {peer_timeout: 180, peer_credits: 8, peer_buffer_credits: 0, credits: 256}
        lnd_tunables: {conns_per_peer: 1, timeout: 50, tos: -1}
        cpts: [0]
    routes:
      - {net: tcp, gateway: 10.77.1.30@tcp1, hop: -1, priority: 0, state: up}
    files: {/etc/lnet.conf: "net: ..."}
done:
  description: The steps that a failed run had carried out before it failed, each as action and object. The node is not untouched then.
  returned: failure, when steps had been carried out
  type: list
  elements: str
  sample: [write file /etc/modprobe.d/lustre.conf]
busy:
  description: Who is at work on this node at the moment, and on what. What was planned may then be out of date.
  returned: check mode, while another run of this collection is at work on the node
  type: str
  sample: 'The module lustre.core.node (process 4711) began on 2025-11-23 at 10:31:02, and for 62 s it has been at: format fs1-OST0003.'
held_by:
  description: Who kept this node for longer than this run waited. Nothing was changed.
  returned: failure, when another run of this collection is at work on the node
  type: dict
  contains:
    pid: {description: Process that took the node. It may be gone., type: int}
    module: {description: Its module., type: str}
    since: {description: 'When it began, in seconds since 1970.', type: float}
    step: {description: What it is doing., type: str}
    step_since: {description: 'Since when, in seconds since 1970.', type: float}
    processes: {description: 'Processes that keep the node now, each with C(pid) and C(program).', type: list, elements: dict}
processes_left:
  description: Programs that gave no answer in time and cannot be killed, so that they are still on the node.
  returned: failure, when a program did not answer in time
  type: list
  elements: str
  sample: [mount.lustre (process 4711)]
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.lustre.core.plugins.module_utils._module import run_resource
from ansible_collections.lustre.core.plugins.module_utils._resources.lnet import LnetResource
from ansible_collections.lustre.core.plugins.module_utils._resources.lnet_want import PURGEABLE


def _integers(*names: str) -> dict[str, dict[str, str]]:
    return {name: {"type": "int"} for name in names}


def _texts(*names: str) -> dict[str, dict[str, str]]:
    return {name: {"type": "str"} for name in names}


NETWORK = {
    "net": {"type": "str", "required": True},
    "interfaces": {"type": "list", "elements": "str", "required": True},
    "tunables": {
        "type": "dict",
        "options": _integers("peer_timeout", "peer_credits", "peer_buffer_credits", "credits"),
    },
    "lnd_tunables": {
        "type": "dict",
        "options": {
            **_integers("conns_per_peer", "tos"),
            # The number of a Slingshot service, not a key that opens anything.
            "auth_key": {"type": "int", "no_log": False},
            **_texts("traffic_class"),
        },
    },
    "cpts": {"type": "list", "elements": "int"},
}
ROUTE = {
    "net": {"type": "str", "required": True},
    "gateway": {"type": "str", "required": True},
    **_integers("hop", "priority"),
}
ROUTING = {"enabled": {"type": "bool", "required": True}, **_integers("tiny", "small", "large")}
PEER = {
    "primary": {"type": "str", "required": True},
    "nids": {"type": "list", "elements": "str"},
    "multi_rail": {"type": "bool", "default": True},
}
ARGUMENTS = {
    "networks": {"type": "list", "elements": "dict", "default": [], "options": NETWORK},
    "nids": {"type": "list", "elements": "str", "default": []},
    "routes": {"type": "list", "elements": "dict", "default": [], "options": ROUTE},
    "routing": {"type": "dict", "options": ROUTING},
    "peers": {"type": "list", "elements": "dict", "default": [], "options": PEER},
    "discovery": {"type": "bool"},
    "global": {"type": "dict", "default": {}},
    "udsp": {
        "type": "list",
        "elements": "dict",
        "default": [],
        "options": {**_texts("src", "dst", "rte"), **_integers("priority")},
    },
    "module_options": {"type": "dict"},
    "purge": {"type": "list", "elements": "str", "choices": list(PURGEABLE), "default": []},
    "remove_networks": {"type": "list", "elements": "str", "default": []},
}


def main() -> None:
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    run_resource(module, lambda options: LnetResource.from_options(options, path="lnet"))


if __name__ == "__main__":
    main()
