# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What lgss_keyring needs of MIT's Kerberos library itself: the keytab's names, and root's ticket from it."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from contextlib import contextmanager
from ctypes import byref, c_char_p, c_int32, c_uint32, c_void_p
from typing import Any

KEYTAB = "/etc/krb5.keytab"
_CREDS_SIZE = 1024  # of the library's structure, and to spare


class KrbError(Exception):
    """``str`` is the library's text for the error."""


class _Entry(ctypes.Structure):
    _fields_ = [
        ("magic", c_int32), ("principal", c_void_p), ("timestamp", c_int32), ("vno", c_uint32), ("key_magic", c_int32),
        ("enctype", c_int32), ("length", c_uint32), ("contents", c_void_p), ("spare", c_void_p * 4),
    ]  # fmt: skip


class Kerberos:
    def __init__(self) -> None:
        self._lib: Any = ctypes.CDLL("libkrb5.so.3")
        self._errors: Any = ctypes.CDLL("libcom_err.so.2")
        self._errors.error_message.restype = c_char_p
        self._context = c_void_p()
        self._must(self._lib.krb5_init_context(byref(self._context)))

    def _must(self, code: int) -> None:
        if code:
            raise KrbError(self._errors.error_message(ctypes.c_long(code)).decode(errors="replace"))

    def default_realm(self) -> str:
        """ "" where none is configured."""
        found = c_char_p()
        if self._lib.krb5_get_default_realm(self._context, byref(found)):
            return ""
        return (found.value or b"").decode()

    def owner(self, cache: str) -> str:
        """The principal of a ticket cache."""
        handle, principal = c_void_p(), c_void_p()
        self._must(self._lib.krb5_cc_resolve(self._context, cache.encode(), byref(handle)))
        try:
            self._must(self._lib.krb5_cc_get_principal(self._context, handle, byref(principal)))
            return self._text(principal)
        finally:
            self._lib.krb5_cc_close(self._context, handle)

    def entries(self) -> list[str]:
        """The principals of the keytab, in its order; KrbError when it cannot be read."""
        cursor, found = c_void_p(), []
        with self._keytab() as keytab:
            self._must(self._lib.krb5_kt_start_seq_get(self._context, keytab, byref(cursor)))
            entry = _Entry()
            while self._lib.krb5_kt_next_entry(self._context, keytab, byref(entry), byref(cursor)) == 0:
                found.append(self._text(c_void_p(entry.principal)))
                self._lib.krb5_free_keytab_entry_contents(self._context, byref(entry))
            self._lib.krb5_kt_end_seq_get(self._context, keytab, byref(cursor))
        return list(dict.fromkeys(found))

    def take_ticket(self, principal: str, cache: str) -> None:
        """A ticket-granting ticket by the keytab, put into a cache of its own."""
        name, handle, creds = c_void_p(), c_void_p(), ctypes.create_string_buffer(_CREDS_SIZE)
        self._must(self._lib.krb5_parse_name(self._context, principal.encode(), byref(name)))
        with self._keytab() as keytab:
            self._must(self._lib.krb5_get_init_creds_keytab(self._context, creds, name, keytab, c_int32(0), None, None))
        self._must(self._lib.krb5_cc_resolve(self._context, cache.encode(), byref(handle)))
        self._must(self._lib.krb5_cc_initialize(self._context, handle, name))
        self._must(self._lib.krb5_cc_store_cred(self._context, handle, creds))
        self._lib.krb5_cc_close(self._context, handle)

    @contextmanager
    def _keytab(self) -> Iterator[c_void_p]:
        keytab = c_void_p()
        self._must(self._lib.krb5_kt_resolve(self._context, f"FILE:{KEYTAB}".encode(), byref(keytab)))
        try:
            yield keytab
        finally:
            self._lib.krb5_kt_close(self._context, keytab)

    def _text(self, principal: c_void_p) -> str:
        found = c_char_p()
        self._must(self._lib.krb5_unparse_name(self._context, principal, byref(found)))
        return (found.value or b"").decode(errors="replace")
