# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""lsvcgssd's way with Kerberos: the services it has keys for, and who a client is that wants a context."""

from __future__ import annotations

import base64
import os
import pwd
import time
from typing import Any

from ._accept import FAILURE, SERVICES, name_of
from ._gssapi import Gss, GssError
from ._krb5 import KEYTAB, Kerberos, KrbError
from ._krb5_client import ROOT_SERVICES
from ._log import Say


def prepare(services: list[str], required: bool, realm: str | None, say: Say) -> bool:
    """Whether there are keys for the services: for each that was asked for, else for one of them at least."""
    os.environ["KRB5_KTNAME"] = f"FILE:{KEYTAB}"
    try:
        realm = realm or Kerberos().default_realm()
    except (KrbError, OSError):
        realm = ""
    say(f"Kerberos realm: {realm}")
    ready = []
    for service in services:
        say(f"service principal: {service}")
        gss = Gss()
        try:
            gss.acquire(service)
            ready.append(service)
        except GssError as error:
            say(f"ERROR: GSS-API: error in gss_acquire_cred(): {error}")
            say(f"Unable to obtain credentials for '{service}'")
            if required:
                break
        finally:
            gss.close()
    if len(ready) < len(services) if required else not ready:
        say("unable to obtain root (machine) credentials")
        say(f"do you have a keytab entry for <lustre_xxs>/<your.host>@<YOUR.REALM> in {KEYTAB}?")
        say("ERROR: disabling Kerberos support")
        return False
    for service in ready:
        say(f"Ready to serve Lustre {SERVICES[service]} in realm {realm}")
    return True


def accept(request: dict[str, Any], say: Say) -> dict[str, Any]:
    gss = Gss()
    try:
        gss.acquire(request["service"])
        client, answer = gss.accept(base64.b64decode(request["token"]))
        if not _is_who_it_says(client, request["nid"], say):
            return {"major": FAILURE}
        say(f"{SERVICES[request['service']]}: authenticated {client} from {request['nid']}")
        expire, token = int(time.time()) + gss.lifetime, base64.b64encode(answer).decode()
        return {"major": 0, "expire": expire, "mech": gss.mechanism(), "token": token}
    except GssError as error:
        say("ERROR: gss_accept_sec_context failed")
        say(f"ERROR: GSS-API: error in handle_krb: gss_accept_sec_context(): {error}")
        return {"major": FAILURE}
    finally:
        gss.close()


def _is_who_it_says(client: str, nid: str, say: Say) -> bool:
    name, _, _realm = client.rpartition("@")
    first, _, host = name.partition("/")
    if host and first in ROOT_SERVICES:
        known = name_of(nid)
        if host.lower() != known:
            say(f"ERROR: {client} claimed hostname doesn't match {known}, nid {nid}")
            return False
        return True
    if first == "lustre_root":
        return True
    try:
        pwd.getpwnam(first)
    except KeyError:
        say(f"ERROR: {client}: no such user {first} here")
        return False
    return True
