"""Cases of the fuzz for what reads Kerberos and the daemon of GSS; ``fuzz_cases.py`` takes them in."""

from __future__ import annotations

import base64
from typing import Any

from ansible_collections.lustre.core.plugins.module_utils._cli import (
    ccache_file,
    keytab_file,
    krb5,
    krb5_conf,
    lsvcgssd,
    names,
)
from ansible_collections.lustre.core.plugins.module_utils._resources import gss_system
from ansible_collections.lustre.core.plugins.module_utils._resources.gss_want import GssWant
from ansible_collections.lustre.core.plugins.module_utils._run import Result
from tests.unit.fake_runner import load_cases, load_transcript
from tests.unit.fuzzing import Case, answering, recorded, recorded_in
from tests.unit.keytab_support import REAL as REAL_KEYTABS
from tests.unit.models.gss_model import GssNode


def _gss(text: str) -> Any:
    """systemctl says the text, all else is a node's own answer."""
    node = GssNode()
    return gss_system.read(
        lambda argv, stdin=None, timeout=0.0: Result(0, text, "") if argv[0] == "systemctl" else node(argv),
        GssWant(ssk=True), node.local(),
    )  # fmt: skip


KADMIN = recorded("krb5/kadmin-cpw", "krb5/kadmin-del", "krb5/kadmin-remote", "krb5/kadmin-ktadd")
KINIT = recorded_in("krb5", "kinit-*.txt")
KVNO = recorded_in("krb5", "kvno-*.txt")
GSS_UNIT = GssNode(enabled=True)._shown("lnet.service")
LSVCGSSD = recorded_in("krb5", "lustre-lsvc-*.txt")
KRB5_CONF = ("includedir /etc/krb5.conf.d/\n[libdefaults]\n default_realm = R\n[realms]\n R = {\n  kdc = k\n }\n",)
#: Files of bytes, as text of as many letters.
KEYTABS = tuple(data.decode("latin-1") for data in REAL_KEYTABS.values())
CCACHE = ("\x05\x04\0\x0c\0\x01\0\x08\xff\xff\xfd\xa8\0\0\0\0" + "\0\0\0\x01" * 3 + "R" + "\0\0\0\x01p",)
TICKETS = base64.b64decode(load_cases("ticket_cache")["cache"].replace(" ", "")).decode("latin-1")

CASES: dict[str, Case] = {
    "ccache_file.parse_cache": Case(
        lambda text: ccache_file.parse_cache(text.encode("latin-1", "replace"), "/c"), CCACHE
    ),
    "ccache_file.parse_tickets": Case(
        lambda text: ccache_file.parse_tickets(text.encode("latin-1", "replace"), "/c"), (*CCACHE, TICKETS)
    ),
    "keytab_file.parse_keytab": Case(
        lambda text: keytab_file.parse_keytab(text.encode("latin-1", "replace"), "/k"), KEYTABS
    ),
    "krb5.parse_kinit": Case(lambda text: krb5.parse_kinit(1, text), KINIT),
    "krb5.kinit": Case(answering(lambda run: krb5.kinit(run, "/k", "p", "/c"), 1), KINIT),
    "krb5.parse_kvno": Case(krb5.parse_kvno, KVNO),
    "krb5.parse_kvno_errors": Case(krb5.parse_kvno_errors, KVNO),
    "krb5.kvno": Case(answering(lambda run: krb5.kvno(run, ["p"], "/c"), 1), KVNO),
    "krb5.parse_terse": Case(krb5.parse_terse, KADMIN),
    "krb5_conf.parse_settings": Case(
        lambda text: krb5_conf.parse_settings(text, lambda _: "", lambda _: []), KRB5_CONF
    ),
    "lsvcgssd.configured": Case(lsvcgssd.configured, ("# LSVCGSSDARGS=x\nLSVCGSSDARGS='-k -s'\n",)),
    "lsvcgssd.with_arguments": Case(lambda text: lsvcgssd.with_arguments(text, ["-k"]), ("A=1\nLSVCGSSDARGS=-k\n",)),
    "lsvcgssd.parse_start": Case(lambda text: lsvcgssd.parse_start(text, 834), LSVCGSSD),
    "lsvcgssd.start_of": Case(
        answering(lambda run: lsvcgssd.start_of(run, lsvcgssd.Daemon(834, (), True, 1e9)), 1), LSVCGSSD
    ),
    "names.parse_getent": Case(names.parse_getent, ("10.0.2.15       server.lab.example server lustre-lab\n",)),
    "names.names_of": Case(
        answering(lambda run: names.names_of(run, ["10.0.2.15"]), 2), ("10.0.2.15  server.lab.example server\n",)
    ),
    "krb5.complaints": Case(krb5.complaints, KADMIN),
    "krb5.parse_missing": Case(krb5.parse_missing, (load_transcript("krb5/kadmin-missing").err,)),
}
ELSEWHERE: dict[str, Case] = {
    "gss_system.read": Case(_gss, (GSS_UNIT,)),
}
