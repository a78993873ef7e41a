# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""lgss_keyring's way with Kerberos: root's ticket from the keytab, a token for the server, its answer checked.

The names come from reverse lookups of NIDs: the server's decides for which service a token is made, the own one which
entry of the keytab is taken. A ticket cache that is there is used first, whatever the keytab says.
"""

from __future__ import annotations

import base64
import os
import time
from typing import Any, NoReturn

from ..faults import Faults
from ._accept import name_of
from ._gssapi import Gss, GssError
from ._krb5 import KEYTAB, Kerberos, KrbError
from .lgss_keyring import NoContext, Place, carried

ROOT_SERVICES = ("lustre_root", "host", "lustre_mds", "lustre_oss", "lustre_mgs")
_SKEW = "Clock skew too great in KDC reply"


def context(
    key: str, kernel: Any, say: Place, *, service: str, nid: str, uid: int, own: str, realm: str | None, **_more: Any
) -> tuple[int, str]:
    """(when it expires, the mechanism); NoContext."""
    cache = f"FILE:/tmp/krb5cc_{uid}"
    os.environ["KRB5CCNAME"] = cache
    os.environ["KRB5_KTNAME"] = f"FILE:{KEYTAB}"
    gss = Gss()
    try:
        if uid == 0:
            root_ticket(key, kernel, say, cache, own.split(","), realm)
        elif not os.path.exists(cache.removeprefix("FILE:")):
            say("lgss_get_krb5_ccname", f"cannot get user {uid} ccname: No data available")
            _give_up(key, say, uid)
        gss.acquire(None)
        host = name_of(nid)
        if not host:
            say("lgss_nid2hostname", f"cannot resolve nid {nid} to a hostname")
            _give_up(key, say, uid)
        token = base64.b64encode(gss.initiate(f"{service}@{host}")).decode()
        answer = carried(key, kernel, say, "krb", token)
        gss.initiate("", base64.b64decode(answer["token"]))
        return int(time.time()) + gss.lifetime, gss.mechanism()
    except GssError as error:
        say("lgssc_negotiation", f"gss_init_sec_context(): {error}")
        _give_up(key, say, uid)
    finally:
        gss.close()


def _give_up(key: str, say: Place, uid: int) -> NoReturn:
    say("prepare_and_instantiate", f"key {key}: failed to prepare credentials for user {uid}")
    raise NoContext()


def root_ticket(key: str, kernel: Any, say: Place, cache: str, own: list[str], realm: str | None) -> None:
    kerberos = Kerberos()
    try:
        kerberos.owner(cache)
        gss = Gss()
        try:
            owner = gss.acquire(None)
            if gss.lifetime > 0 and owner.partition("@")[0].partition("/")[0] in ROOT_SERVICES:
                return
        except GssError as error:
            say("lkrb5_check_root_tgt_cc", f"root's ticket is not usable: {error}")
        finally:
            gss.close()
    except KrbError as error:
        say("lkrb5_check_root_tgt_cc", f"get cc principal: {error}")
    try:
        entries = kerberos.entries()
    except KrbError as error:
        say("lkrb5_refresh_root_tgt_cc", f"start kt iteration: {error}")
        _give_up(key, say, 0)
    principal = proper(entries, [name_of(nid) for nid in own], realm or kerberos.default_realm())
    if principal is None:
        say("lkrb5_refresh_root_tgt_cc", "can't find proper keytab entry")
        _give_up(key, say, 0)
    try:
        if Faults.of(kernel).on("clock-skew", "lgss_keyring"):
            raise KrbError(_SKEW)
        kerberos.take_ticket(principal, cache)
    except KrbError as error:
        short = principal.partition("@")[0].partition("/")[0]
        say("lkrb5_get_root_tgt_keytab", f"failed to get root TGT for principal {short}: {error}")
        _give_up(key, say, 0)


def proper(entries: list[str], hosts: list[str], realm: str) -> str | None:
    """The entry that stands for root here: ``lustre_root/HOST``, ``host/HOST``, ``lustre_root``, or a server's own."""
    wanted = (
        [f"lustre_root/{host}" for host in hosts if host] + [f"host/{host}" for host in hosts if host] + ["lustre_root"]
    )
    wanted += [f"{service}/{host}" for service in ROOT_SERVICES[2:] for host in hosts if host]
    known = {}
    for entry in entries:
        name, _, where = entry.rpartition("@")
        if not realm or where == realm:
            known.setdefault(name.lower(), entry)
    return next((known[name] for name in wanted if name in known), None)
