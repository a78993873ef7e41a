"""Cases of the fuzz for what reads nodemaps; ``fuzz_cases.py`` takes them in."""

from __future__ import annotations

from ansible_collections.lustre.core.plugins.module_utils import _nid_range
from ansible_collections.lustre.core.plugins.module_utils._cli import lctl_params, nodemap, nodemap_words
from ansible_collections.lustre.core.plugins.module_utils._readers import nodemap_seen
from tests.unit.fuzzing import Case, answering, recorded, recorded_in

ALL = recorded("nodemap/R-final", "nodemap/R-initial", "nodemap/info-one")
USAGE = recorded("nodemap/modify-badprop", "nodemap/add-child")
ERRORS = recorded_in("nodemap", "*-bad*.txt") + recorded_in("nodemap", "*-missing.txt")


def _values(name: str) -> tuple[str, ...]:
    """The values of a recorded get_param, without their names."""
    return tuple(lctl_params.parse(recorded(f"nodemap/{name}")[0], "", nodemap.ASKED).values.values())


CASES: dict[str, Case] = {
    "nodemap.read": Case(answering(nodemap.read, 2), ALL),
    "nodemap.parse": Case(
        lambda text: nodemap.parse(lctl_params.parse(text, "", nodemap.ASKED).values, USAGE[0]), ALL + USAGE
    ),
    "nodemap.parse_idmap": Case(nodemap.parse_idmap, _values("idmap")),
    "nodemap.parse_offset": Case(nodemap.parse_offset, _values("get_offset")),
    "nodemap.parse_filesets": Case(nodemap.parse_filesets, (*_values("fileset-get"), "/dir1", "[\n]")),
    "nodemap.parse_caps": Case(nodemap.parse_caps, ("off", "type: mask\ncaps: cap_chown,cap_fowner")),
    "nodemap_words.failed_verb": Case(nodemap_words.failed_verb, ERRORS),
}
ELSEWHERE: dict[str, Case] = {
    "nodemap_seen.seen": Case(answering(nodemap_seen.seen), ALL),
    "_nid_range.spans_of": Case(
        _nid_range.spans_of,
        ("10.0.[1-3].[1-254]@tcp", "10.0.0.[1-9/2,20]@o2ib1", "10.7.0.0/22@tcp", "fd00::1@tcp", "[1-20]@gni"),
        (ValueError,),
    ),
}
