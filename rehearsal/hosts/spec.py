# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a site consists of: networks, hosts, devices; read from YAML or JSON and checked at once.

All problems are listed together, each with the path of the value, what is wrong and the fix.
"""

from __future__ import annotations

import ipaddress
import json
import re
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Iterator

from rehearsal.hosts.errors import BadSpec, RehearsalError

HOST_NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*")
INTERFACE_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,14}")
LABEL = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.@-]{0,62}")
SITE_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,23}")
MANAGEMENT_INTERFACE = "eth-mgmt"
DEFAULT_MANAGEMENT = "10.76.0.0/24"
_SIZE = re.compile(r"(\d+)([KMGT]?)i?B?")
_UNITS = {"": 1, "K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40}
_SMALLEST_DEVICE = 2**20


@dataclass(frozen=True)
class Interface:
    name: str
    network: str
    addresses: tuple[str, ...]  # with prefix length


@dataclass(frozen=True)
class Bind:
    """A directory of the machine shown inside a host."""

    source: str
    target: str
    read_only: bool = True


@dataclass(frozen=True)
class Host:
    name: str
    interfaces: tuple[Interface, ...] = ()
    management: str = ""  # wished address on the management network, "" = any
    binds: tuple[Bind, ...] = ()
    variables: dict[str, Any] = field(default_factory=dict, hash=False)  # for Ansible, beside those to connect with


@dataclass(frozen=True)
class Device:
    """A block device (a sparse file behind a loop device) and the hosts that are cabled to it."""

    name: str
    size: int  # bytes
    hosts: tuple[str, ...]
    path: str  # the stable path it has inside the hosts
    behind: str = ""  # the device of whose content it shows what lies behind a LUKS header


@dataclass(frozen=True)
class Spec:
    hosts: tuple[Host, ...]
    networks: tuple[str, ...] = ()
    devices: tuple[Device, ...] = ()
    management: str = DEFAULT_MANAGEMENT  # wished subnet; another free one is taken where it is in use
    packages: str = ""  # directory, seen as /srv/lustre-packages
    binds: tuple[Bind, ...] = ()
    base_packages: tuple[str, ...] = ()  # Debian packages beyond the usual ones of the base root
    variables: dict[str, Any] = field(default_factory=dict, hash=False)  # of all hosts, for Ansible

    def devices_of(self, host: str) -> list[Device]:
        return [device for device in self.devices if host in device.hosts]

    def to_dict(self) -> dict[str, Any]:
        """The form that ``parse`` reads."""
        return asdict(self)


class _Unreadable(dict[str, Any]):
    """Stands for a mapping that is none: what it lacks is no further problem."""


@dataclass
class _Reader:
    """Collects problems while it walks through untyped data."""

    problems: list[str] = field(default_factory=list)

    def complain(self, path: str, text: str) -> None:
        self.problems.append(f"{path}: {text}")

    def mapping(self, value: Any, path: str, known: set[str]) -> dict[str, Any]:
        if not isinstance(value, dict):
            self.complain(path, f"must be a mapping, not {_kind(value)}. Known keys: {', '.join(sorted(known))}.")
            return _Unreadable()
        for key in value:
            if key not in known:
                self.complain(f"{path}.{key}", f"is not a key known here. Known keys: {', '.join(sorted(known))}.")
        return value

    def items(self, value: Any, path: str) -> Iterator[tuple[str, Any]]:
        if value is None:
            return
        if not isinstance(value, (list, tuple)):
            self.complain(path, f"must be a list, not {_kind(value)}.")
            return
        for number, item in enumerate(value):
            yield f"{path}[{number}]", item

    def text(self, source: dict[str, Any], key: str, path: str, default: str | None = None) -> str:
        value = source.get(key, default)
        if isinstance(source, _Unreadable):
            return ""
        if isinstance(value, str) and (value or default == ""):
            return value
        self.complain(f"{path}.{key}", "is missing." if value is None else f"must be a text, not {_kind(value)}.")
        return ""

    def matching(self, value: str, pattern: re.Pattern[str], path: str, allowed: str) -> None:
        if value and not pattern.fullmatch(value):
            self.complain(path, f"{value!r} is not usable. Allowed: {allowed}.")


def _kind(value: Any) -> str:
    names = {dict: "a mapping", list: "a list", str: "a text", int: "a number", bool: "a yes/no", type(None): "nothing"}
    return names.get(type(value), type(value).__name__)


def load(path: Path) -> Spec:
    """Read a spec file; JSON needs nothing, YAML needs PyYAML."""
    try:
        text = path.read_text()
    except OSError as error:
        raise RehearsalError(f"Could not read the rehearsal spec {path}: {error.strerror}.") from error
    return parse(read_data(text, str(path)))


def read_data(text: str, name: str) -> Any:
    """JSON or YAML text as data."""
    try:
        return json.loads(text)
    except ValueError as no_json:
        try:
            import yaml
        except ImportError as error:
            raise RehearsalError(
                f"{name} is not JSON ({no_json}), and this Python has no PyYAML to read it as YAML. "
                "Install the package python3-yaml, or start rehearse with the Python that runs Ansible."
            ) from error
        try:
            return yaml.safe_load(text)
        except yaml.YAMLError as error:
            raise RehearsalError(f"{name} is neither JSON nor YAML: {error}") from error


def parse(data: Any) -> Spec:
    """Data of a spec file as a checked ``Spec``; raises ``BadSpec`` with all problems."""
    reader = _Reader()
    top = reader.mapping(
        data, "spec", {"hosts", "networks", "devices", "management", "packages", "binds", "base_packages", "variables"}
    )
    networks = tuple(_network(reader, item, path) for path, item in reader.items(top.get("networks"), "networks"))
    hosts = tuple(_host(reader, item, path) for path, item in reader.items(top.get("hosts"), "hosts"))
    devices = tuple(_device(reader, item, path) for path, item in reader.items(top.get("devices"), "devices"))
    spec = Spec(
        hosts=hosts,
        networks=networks,
        devices=devices,
        management=reader.text(top, "management", "spec", DEFAULT_MANAGEMENT),
        packages=reader.text(top, "packages", "spec", ""),
        binds=_binds(reader, top.get("binds"), "binds"),
        base_packages=tuple(_labels(reader, top.get("base_packages"), "base_packages")),
        variables=_variables(reader, top.get("variables"), "variables"),
    )
    _check_management(reader, spec)
    if not reader.problems:  # else most of what follows would only repeat it in other words
        _cross_check(reader, spec)
    if reader.problems:
        raise BadSpec(reader.problems)
    return spec


def _network(reader: _Reader, item: Any, path: str) -> str:
    name = item if isinstance(item, str) else reader.text(reader.mapping(item, path, {"name"}), "name", path)
    reader.matching(name, LABEL, path, "letters, digits, '_', '.', '@' and '-', at most 63")
    return name


def _host(reader: _Reader, item: Any, path: str) -> Host:
    source = reader.mapping(item, path, {"name", "interfaces", "management", "binds", "variables"})
    name = reader.text(source, "name", path)
    reader.matching(name, HOST_NAME, f"{path}.name", "lower-case letters, digits, '-' and '.', as in host names")
    interfaces = tuple(
        _interface(reader, entry, where)
        for where, entry in reader.items(source.get("interfaces"), f"{path}.interfaces")
    )
    wished = reader.text(source, "management", path, "")
    if wished:
        _address(reader, wished, f"{path}.management", prefix=False)
    binds = _binds(reader, source.get("binds"), f"{path}.binds")
    return Host(name, interfaces, wished, binds, _variables(reader, source.get("variables"), f"{path}.variables"))


def _variables(reader: _Reader, value: Any, path: str) -> dict[str, Any]:
    if value is None or isinstance(value, dict):
        return dict(value or {})
    reader.complain(path, f"must be a mapping of names to values, not {_kind(value)}.")
    return {}


def _interface(reader: _Reader, item: Any, path: str) -> Interface:
    source = reader.mapping(item, path, {"name", "network", "addresses"})
    name = reader.text(source, "name", path)
    reader.matching(name, INTERFACE_NAME, f"{path}.name", "a letter, then letters, digits, '_', '.', '-', at most 15")
    addresses = []
    for where, value in reader.items(source.get("addresses"), f"{path}.addresses"):
        _address(reader, value, where, prefix=True)
        addresses.append(str(value))
    return Interface(name, reader.text(source, "network", path), tuple(addresses))


def _address(reader: _Reader, value: Any, path: str, prefix: bool) -> None:
    try:
        if prefix:
            if "/" not in str(value):
                raise ValueError
            ipaddress.ip_interface(value)
        else:
            ipaddress.ip_address(value)
    except ValueError:
        wanted = "an address with prefix length such as 10.77.0.11/24" if prefix else "an address such as 10.76.0.11"
        reader.complain(path, f"{value!r} is not {wanted}.")


def _device(reader: _Reader, item: Any, path: str) -> Device:
    source = reader.mapping(item, path, {"name", "size", "hosts", "path", "behind"})
    name = reader.text(source, "name", path)
    reader.matching(name, LABEL, f"{path}.name", "letters, digits, '_', '.', '@' and '-', at most 63")
    stable = reader.text(source, "path", path, f"/dev/disk/by-id/{name}")
    if not re.fullmatch(r"/dev(/[\w.:@+,=-]+)+", stable) or ".." in stable.split("/"):
        reader.complain(f"{path}.path", f"{stable!r} is not a path below /dev without spaces.")
    hosts = tuple(_labels(reader, source.get("hosts"), f"{path}.hosts"))
    if not hosts:
        reader.complain(f"{path}.hosts", "is empty: name the hosts that can reach this device.")
    behind = source.get("behind") or ""
    if not isinstance(behind, str):
        reader.complain(f"{path}.behind", f"must be the name of a device, not {_kind(behind)}.")
        behind = ""
    return Device(name, _size(reader, source.get("size"), f"{path}.size"), hosts, stable, behind)


def _size(reader: _Reader, value: Any, path: str) -> int:
    match = _SIZE.fullmatch(str(value)) if isinstance(value, (str, int)) and not isinstance(value, bool) else None
    if not match:
        reader.complain(path, f"{value!r} is not a size such as 512M or 2G.")
        return _SMALLEST_DEVICE
    size = int(match[1]) * _UNITS[match[2]]
    if size < _SMALLEST_DEVICE or size % 512:
        reader.complain(path, f"{value!r} is not usable: at least 1M, in whole sectors of 512 bytes.")
    return size


def _binds(reader: _Reader, value: Any, path: str) -> tuple[Bind, ...]:
    found = []
    for where, item in reader.items(value, path):
        source = reader.mapping(item, where, {"source", "target", "read_only"})
        bind = Bind(
            reader.text(source, "source", where),
            reader.text(source, "target", where),
            source.get("read_only") is not False,
        )
        for key, text in (("source", bind.source), ("target", bind.target)):
            if text and (not text.startswith("/") or ":" in text or ".." in text.split("/")):
                reader.complain(f"{where}.{key}", f"{text!r} is not an absolute path without ':' and '..'.")
        found.append(bind)
    return tuple(found)


def _labels(reader: _Reader, value: Any, path: str) -> Iterator[str]:
    for where, item in reader.items(value, path):
        if isinstance(item, str):
            yield item
        else:
            reader.complain(where, f"must be a text, not {_kind(item)}.")


def _cross_check(reader: _Reader, spec: Spec) -> None:
    if not spec.hosts:
        reader.complain("hosts", "is empty: a site has at least one host.")
        return
    names = {host.name for host in spec.hosts}
    _once(reader, [(f"hosts[{n}].name", host.name) for n, host in enumerate(spec.hosts)])
    _once(reader, [(f"networks[{n}]", name) for n, name in enumerate(spec.networks)])
    _once(reader, [(f"devices[{n}].name", device.name) for n, device in enumerate(spec.devices)])
    seen: list[tuple[str, Any]] = []
    for number, host in enumerate(spec.hosts):
        _once(reader, [(f"hosts[{number}].interfaces[{n}].name", i.name) for n, i in enumerate(host.interfaces)])
        for position, interface in enumerate(host.interfaces):
            path = f"hosts[{number}].interfaces[{position}]"
            if interface.name in (MANAGEMENT_INTERFACE, "lo"):
                reader.complain(f"{path}.name", f"{interface.name} is taken by the rehearsal. Use another name.")
            if interface.network and interface.network not in spec.networks:
                known = ", ".join(spec.networks) or "none"
                reader.complain(f"{path}.network", f"{interface.network!r} is not in networks (there are: {known}).")
            seen += [(f"{path}.addresses", (interface.network, a.split("/")[0])) for a in interface.addresses]
    _once(reader, seen)
    paths = []
    disks = {device.name for device in spec.devices if not device.behind}
    for number, device in enumerate(spec.devices):
        if device.behind and device.behind not in disks:
            reader.complain(f"devices[{number}].behind", f"{device.behind!r} is not one of the devices.")
        for host_name in device.hosts:
            paths.append((f"devices[{number}].path", (host_name, device.path)))
            if host_name not in names:
                reader.complain(f"devices[{number}].hosts", f"{host_name!r} is not one of the hosts.")
    _once(reader, paths)


def _check_management(reader: _Reader, spec: Spec) -> None:
    try:
        ipaddress.IPv4Network(spec.management)
    except ValueError:
        reader.complain("management", f"{spec.management!r} is not an IPv4 network such as {DEFAULT_MANAGEMENT}.")


def _once(reader: _Reader, entries: list[tuple[str, Any]]) -> None:
    first: dict[Any, str] = {}
    for path, value in entries:
        shown = " at ".join(reversed(value)) if isinstance(value, tuple) else value
        if value and value in first:
            reader.complain(path, f"{shown!r} was already used by {first[value]}. Each must be unique.")
        first.setdefault(value, path)
