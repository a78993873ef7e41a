"""ZFS pools on a server's disks as zpool(8) and zfs(8) of OpenZFS 2.1 to 2.3 show, import and make them."""

from __future__ import annotations

from dataclasses import dataclass, field

from ansible_collections.lustre.core.plugins.module_utils._run import Result
from tests.unit.models.disk_model import DiskModel

DEFAULTS = {"multihost": "off", "cachefile": "-", "ashift": "0", "autotrim": "off"}
ROOT_DEFAULTS = {"canmount": "on", "compression": "off"}
CAN = "The pool can be imported using its name or numeric identifier."
MUST = "The pool can be imported using its name or numeric identifier and\n\tthe '-f' flag."


@dataclass
class Pool:
    """``elsewhere``: another host used it last and never exported it."""

    devices: list[str]
    imported: bool = True
    elsewhere: bool = False
    health: str = "ONLINE"
    properties: dict[str, str] = field(default_factory=lambda: dict(DEFAULTS))
    options: dict[str, str] = field(default_factory=lambda: dict(ROOT_DEFAULTS))


@dataclass
class PoolModel(DiskModel):
    pools: dict[str, Pool] = field(default_factory=dict)
    hostid: bytes | None = b"\x01\x02\x03\x04"

    def data(self, path: str) -> bytes:
        if path == "/etc/hostid" and self.hostid is not None:
            return self.hostid
        return super().data(path)

    def here(self) -> dict[str, Pool]:
        return {name: pool for name, pool in self.pools.items() if pool.imported}

    def _zgenhostid(self, argv: list[str]) -> Result:
        self.calls.append(tuple(argv))
        assert self.hostid is None, "a pool that was imported under the old id would count as another host's"
        self.hostid = b"\x0a\x0b\x0c\x0d"
        return Result(0, "", "")

    def _zpool(self, argv: list[str]) -> Result:
        return getattr(self, f"_pool_{argv[1]}")(argv)

    def _zfs(self, argv: list[str]) -> Result:
        return getattr(self, f"_pool_{argv[1]}")(argv)

    def _pool_list(self, argv: list[str]) -> Result:
        rows = "".join(f"{name}\t{pool.health}\n" for name, pool in self.here().items())
        return Result(0, rows, "" if rows else "no pools available\n")

    def _pool_get(self, argv: list[str]) -> Result:
        names, pools = argv[5].split(","), argv[6:]
        rows = []
        for pool in pools:
            values = self.here()[pool].properties if argv[0] == "zpool" else self.here()[pool].options
            rows += [f"{pool}\t{name}\t{values.get(name, '-')}\n" for name in names]
        return Result(0, "".join(rows), "")

    def _pool_set(self, argv: list[str]) -> Result:
        self.calls.append(tuple(argv))
        pool = self.here()[argv[-1]]
        for word in argv[2:-1]:
            key, _equals, value = word.partition("=")
            assert key != "ashift", "it is fixed when a pool is made"
            (pool.properties if argv[0] == "zpool" else pool.options)[key] = value
        return Result(0, "", "")

    def _pool_status(self, argv: list[str]) -> Result:
        return Result(0, "".join(self._status(name) for name in argv[3:]), "")

    def _status(self, name: str) -> str:
        leaves = "".join(f"\t  {device}  ONLINE  0  0  0\n" for device in self.here()[name].devices)
        head = "\tNAME  STATE  READ WRITE CKSUM\n"
        return f"  pool: {name}\n state: ONLINE\nconfig:\n\n{head}\t{name}  ONLINE  0  0  0\n{leaves}\nerrors: No known data errors\n\n"

    def _pool_import(self, argv: list[str]) -> Result:
        assert "-f" not in argv and "-F" not in argv
        if "-o" not in argv:
            found = {name: pool for name, pool in self.pools.items() if not pool.imported}
            texts = [
                f"   pool: {name}\n     id: 1\n  state: {pool.health}\n action: {MUST if pool.elsewhere else CAN}\n config:\n\n\t{name}  ONLINE\n"
                for name, pool in found.items()
            ]
            return Result(0, "\n".join(texts), "") if texts else Result(1, "", "no pools available to import\n")
        self.calls.append(tuple(argv))
        pool = self.pools[argv[-1]]
        assert not pool.elsewhere and not pool.imported
        pool.imported = True
        given = dict(argv[place + 1].split("=", 1) for place, word in enumerate(argv) if word == "-o")
        assert "multihost" in given, "here, and for a moment nobody knows that it is"
        pool.properties.update(given)
        return Result(0, "", "")

    def _pool_create(self, argv: list[str]) -> Result:
        self.calls.append(tuple(argv))
        assert "-f" not in argv
        pool, place = Pool([]), 2
        while argv[place] in ("-o", "-O"):
            key, _equals, value = argv[place + 1].partition("=")
            (pool.properties if argv[place] == "-o" else pool.options)[key] = value
            place += 2
        assert self.hostid or pool.properties["multihost"] != "on", "multihost needs a host id"
        name, words = argv[place], argv[place + 1 :]
        pool.devices = [word for word in words if word.startswith("/")]
        assert name not in self.pools
        for device in pool.devices:
            assert self.disks[device].holds == "" and not self.disks[device].mounted, f"zpool create over {device}"
            self.disks[device].holds = "data"
        self.pools[name] = pool
        return Result(0, "", "")
