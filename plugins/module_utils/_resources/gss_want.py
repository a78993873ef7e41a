# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a node needs before any GSS flavor can work, and the files that it needs, as text."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Mapping

from ansible_collections.lustre.core.plugins.module_utils._cli import krb5, lsvcgssd
from ansible_collections.lustre.core.plugins.module_utils._errors import BadValue
from ansible_collections.lustre.core.plugins.module_utils._options import boolean, require_known

LGSSC = "/etc/request-key.d/lgssc.conf"
LNET_DROP_IN = "/etc/systemd/system/lnet.service.d/60-lustre-gss.conf"
DAEMON_DROP_IN = "/etc/systemd/system/lsvcgss.service.d/60-lustre-gss.conf"
HEADER = "# Managed by Ansible (lustre.core.gss): the whole file is replaced by the next run; edits are lost.\n"
#: How the kernel has a context made on a node that connects. Lustre's packages ship the same line.
LGSSC_LINE = "create lgssc * * /usr/sbin/lgss_keyring %o %k %t %d %c %u %g %T %P %S"
LNET_TEXT = f"""{HEADER}
[Service]
# After LNet, never from modules-load.d: this module brings ptlrpc along, which would configure LNet by itself, on the
# first interface that it finds, or fail where there is none yet.
ExecStartPost=-/sbin/modprobe ptlrpc_gss
"""
DAEMON_TEXT = f"""{HEADER}
[Unit]
# Targets that are mounted before the daemon runs turn away whoever must authenticate.
After=lnet.service
Before=remote-fs-pre.target
Wants=remote-fs-pre.target
"""
_KNOWN = ("kerberos", "ssk", "services", "realm", "fqdn", "keytab")


@dataclass(frozen=True)
class GssWant:
    """``services`` are the kinds of targets of this node; none on a client, which needs no daemon."""

    kerberos: bool = False
    ssk: bool = False
    services: tuple[str, ...] = ()
    realm: str = ""
    fqdn: str = ""
    keytab: str = "/etc/krb5.keytab"

    @classmethod
    def from_options(cls, options: Mapping[str, Any], path: str = "") -> GssWant:
        at = f"{path}." if path else ""
        require_known(options, _KNOWN, path or "options")
        kerberos, ssk = boolean(options, "kerberos", path), boolean(options, "ssk", path)
        if not kerberos and not ssk:
            problem = "neither Kerberos nor shared keys are wanted"
            raise BadValue(f"{at}kerberos", problem, "Say `kerberos: true`, `ssk: true` or both.")
        services = tuple(str(name) for name in options.get("services") or ())
        unknown = [name for name in services if name not in lsvcgssd.SERVICES]
        if unknown:
            raise BadValue(f"{at}services", f"{unknown[0]!r} is no kind of server", "Known are: mgs, mds, oss.")
        realm, fqdn = str(options.get("realm") or ""), str(options.get("fqdn") or "")
        if realm:
            krb5.check_realm(realm, f"{at}realm")
        if fqdn:
            krb5.check_principal(f"host/{fqdn}", f"{at}fqdn")
        keytab = str(options.get("keytab") or cls.keytab)
        return cls(kerberos, ssk, services, realm, fqdn, keytab)

    @property
    def arguments(self) -> tuple[str, ...]:
        return lsvcgssd.arguments(self.kerberos, self.ssk, self.services)

    @property
    def principals(self) -> tuple[str, ...]:
        """What must be in a server's keytab, without the host where that is not told."""
        kinds = [lsvcgssd.SERVICES[name][1] for name in lsvcgssd.SERVICES if name in self.services]
        return tuple(f"{kind}/{self.fqdn}" if self.fqdn else f"{kind}/" for kind in kinds) if self.kerberos else ()
