"""The database of a KDC, asked by kadmin, which answers as the recordings of a real one do."""

from __future__ import annotations

from dataclasses import dataclass, field

from ansible_collections.lustre.core.plugins.module_utils._run import Result


def line(name, changed=1000, kvno=1, keys=((1, 20), (1, 18))):
    told = "".join(f"\t1\t{version}\t{kind}\t0" for version, kind in keys)
    return f'"{name}"\t0\t{changed}\t0\t36000\t"root/admin@LAB.EXAMPLE"\t1\t0\t{kvno}\t1\t"[none]"\t604800\t0\t0\t0\t{len(keys)}{told}\n'


def missing(name):
    return f'get_principal: Principal does not exist while retrieving "{name}".\n'


@dataclass
class Database:
    """A KDC that answers as the recordings do; ``now`` is its clock."""

    principals: dict[str, tuple[int, list[int]]] = field(default_factory=dict)
    now: int = 2000

    def __call__(self, argv, stdin=None, timeout=0.0):
        out, err = "Authenticating as principal root/admin@LAB.EXAMPLE with password.\n", ""
        for request in stdin.splitlines():
            verb, *words = request.split()
            out += f"kadmin.local:  {request}\n"
            name, known = words[-1], self.principals.get(words[-1])
            if verb == "getprinc":
                if known is None:
                    err += missing(name)
                else:
                    keys = [(version, kind) for version in sorted(known[1], reverse=True) for kind in (20, 18)]
                    out += line(name, known[0], max(known[1]), keys)
            elif verb == "addprinc" and known is None:
                self.principals[name] = (self.now, [1])
                err += f"No policy specified for {name}; defaulting to no policy\n"
            elif verb == "cpw" and known is not None:
                self.principals[name] = (self.now, [*known[1], max(known[1]) + 1])
            elif verb == "purgekeys" and known is not None:
                self.principals[name] = (known[0], [v for v in known[1] if v >= int(words[1])])
            elif verb == "delprinc" and known is not None:
                del self.principals[name]
            else:
                err += f"kadmin.local: cannot {request}\n"
        return Result(0, out, err)
