# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the filters have in common: a typed error of the layers below becomes Ansible's only here."""

from __future__ import annotations

from functools import wraps
from typing import Callable, ParamSpec, TypeVar

from ansible.errors import AnsibleFilterError

from ansible_collections.lustre.core.plugins.module_utils._errors import LustreError

P = ParamSpec("P")
T = TypeVar("T")


def told(function: Callable[P, T]) -> Callable[P, T]:
    """The same function as a filter: what it cannot do is told as the task's message, without a traceback."""

    @wraps(function)
    def filtered(*arguments: P.args, **options: P.kwargs) -> T:
        try:
            return function(*arguments, **options)
        except LustreError as error:
            raise AnsibleFilterError(str(error)) from error

    return filtered
