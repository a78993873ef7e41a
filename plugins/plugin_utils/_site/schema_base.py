# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The words that several shapes of the description are made of."""

from __future__ import annotations

from ansible_collections.lustre.core.plugins.plugin_utils._site.shape import ListOf, MapOf, Text

HOST = Text(hint="the name of a host of the inventory")
HOSTS = ListOf(Text(hint="a host, a group or a range such as client[001-200]"), single=True)
PATH = Text(pattern=r"/.*", hint="an absolute path")
#: Which of them exist is for a rule to say (and for the module that sets them): ``gssnull`` deserves its own answer.
FLAVOR = Text(hint="a flavor such as krb5p")
NET = Text(hint="an LNet network such as tcp, tcp1 or o2ib0")
NID = Text(hint="a NID such as 10.0.0.1@tcp")
VALUE = Text(numbers=True, hint="a string or a number")
SETTINGS = MapOf(VALUE)
#: ZFS and YAML both have on and off, and YAML reads them as booleans.
SWITCHES = MapOf(Text(numbers=True, switches=True, hint="a string, a number, or on or off"))
OWNER = Text(numbers=True, hint="a user's name or number")
GROUP = Text(numbers=True, hint="a group's name or number")
MODE = Text(pattern=r"[0-7]{3,4}", hint='an octal mode in quotes, such as "0755"')
