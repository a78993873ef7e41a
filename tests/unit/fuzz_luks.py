"""Cases of the fuzz for what reads cryptsetup and crypttab; ``fuzz_cases.py`` takes them in."""

from __future__ import annotations

from ansible_collections.lustre.core.plugins.module_utils._cli import cryptsetup, crypttab
from tests.unit.fuzzing import Case, answering

ACTIVE = (
    "/dev/mapper/x is active and is in use.\n  type:    LUKS2\n  cipher:  aes-xts-plain64\n  device:  /dev/sdb\n  mode:    read/write\n",
)
TABLE = ("# comment\nx /dev/disk/by-id/a /etc/keys/x luks,nofail\n\nhome UUID=1 none luks\n", "x /dev/a\n")
WANTED = {"x": crypttab.Line("x", "/dev/b", "/k", crypttab.OPTIONS), "y": crypttab.Line("y", "/dev/c")}

CASES: dict[str, Case] = {
    "cryptsetup.parse_status": Case(lambda text: cryptsetup.parse_status("x", text), ACTIVE),
    "cryptsetup.status": Case(answering(lambda run: cryptsetup.status(run, "x"), 4), ACTIVE),
    "crypttab.line_of": Case(crypttab.line_of, ("x /dev/disk/by-id/a /etc/keys/x luks,nofail",)),
    "crypttab.entries": Case(crypttab.entries, TABLE),
    "crypttab.edit": Case(lambda text: crypttab.edit(text, WANTED), TABLE),
}
