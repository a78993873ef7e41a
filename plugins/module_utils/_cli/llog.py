# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Configuration logs of an MGS, as ``lctl llog_print`` shows them.

A record is one line that looks like YAML and is not: values hold commas, colons and
quotes without any escape.  So the fields are cut at ``, word: `` where ``word`` is one
of the names that Lustre prints, and the value is everything up to the final brace.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Mapping

from ansible_collections.lustre.core.plugins.module_utils._errors import UnknownOutput
from ansible_collections.lustre.core.plugins.module_utils._nid import normal_nid

_LINE = re.compile(r"- \{ index: (?P<index>\d{1,9}), event: (?P<event>\w+)(?:, (?P<rest>.*)| *)\}\Z")
_FIELDS = (
    "device type UUID name lov lmv nid node mdt ost index gen parameter value fsname pool options failout "
    "flags version createtime canceltime num source_name server_uuid nids"
).split()
_FIELD = re.compile(rf"(?:^|, )(?P<key>{'|'.join(_FIELDS)}): ?")
_PARAMETER = re.compile(r"(?:^|, )parameter: (?P<name>.*?)(?:, value: ?(?P<value>.*))?$")
#: Targets are known by the records that make a client (mdc, osc) connect to them.
_TARGET = re.compile(r"(?P<fs>[A-Za-z0-9_-]{1,8})-(?P<kind>MDT|OST)(?P<index>[0-9a-fA-F]{4})(?:_UUID)?$")
#: Records as releases before 2.12 print them, and anything that names an event or a parameter in braces.
_FOREIGN = re.compile(r"#\d+ \(\d+\)|.*\b(?:event|parameter): ")
_FAILED = re.compile(r"^(?P<log>\S+): OBD_IOC_LLOG_PRINT failed: (?P<why>.*)$", re.M)


@dataclass(frozen=True)
class Record:
    """One record: its place in the log, its event, and its fields as text."""

    index: int
    event: str
    fields: Mapping[str, str] = field(default_factory=dict)


@dataclass
class TargetRecord:
    """A target that clients are told about: label, and per service node its NIDs (the primary's first)."""

    label: str
    fsname: str
    kind: str
    index: int
    service_nids: list[list[str]] = field(default_factory=list)


def is_record(line: str) -> bool:
    """Does this line of a batch's output come from llog_print?"""
    return line.startswith("- { index: ") and ", event: " in line


def parse_line(line: str) -> Record:
    """One line of ``llog_print``; UnknownOutput when it is none."""
    match = _LINE.match(line.rstrip())
    if match is None:
        raise UnknownOutput("lctl llog_print", "a configuration log", line)
    rest = (match["rest"] or "").rstrip(" ")
    parameter = _PARAMETER.search(rest) if match["event"] in ("set_param", "conf_param", "set_timeout") else None
    head = rest[: parameter.start()] if parameter else rest
    fields = _fields(head)
    if parameter:
        name, value = parameter["name"], parameter["value"]
        # conf_param records show `name=value` as the name, and the value once more or not at all.
        if match["event"] != "set_param" and "=" in name:
            name, _equals, shown = name.partition("=")
            value = shown if value is None else value
        fields.update({"parameter": name.strip(), "value": (value or "").strip()})
    return Record(int(match["index"]), match["event"], fields)


def _fields(text: str) -> dict[str, str]:
    marks = list(_FIELD.finditer(text))
    ends = [mark.start() for mark in marks[1:]] + [len(text)]
    return {mark["key"]: text[mark.end() : end].strip() for mark, end in zip(marks, ends)}


def parse(text: str) -> list[Record]:
    """What ``llog_print`` printed alone."""
    return [parse_line(line) for line in text.splitlines() if line.strip()]


def parse_mixed(text: str) -> list[Record]:
    """All records in a batch's output.

    Lines of other commands are left out, but one that looks like a record in another shape is an error:
    taken for nothing, it would make a stored setting look absent.
    """
    records = []
    for line in text.splitlines():
        if is_record(line):
            records.append(parse_line(line))
        elif _FOREIGN.match(line):
            raise UnknownOutput("lctl llog_print", "a configuration log", line)
    return records


def failures(err: str) -> dict[str, str]:
    """Logs that could not be read, with the reason; ``No such file or directory`` is a log that is not there."""
    return {match["log"]: match["why"].strip() for match in _FAILED.finditer(err)}


def stored_params(records: list[Record]) -> dict[str, Record]:
    """``set_param -P`` settings by their literal name; the last record of a name wins."""
    return {record.fields.get("parameter", ""): record for record in records if record.event == "set_param"}


def target_of(label: str) -> TargetRecord | None:
    """``fs1-OST000a`` (or its UUID) → what it says; None when it is no target of a file system."""
    match = _TARGET.match(label)
    return TargetRecord(_label(match), match["fs"], match["kind"].lower(), int(match["index"], 16)) if match else None


def targets(records: list[Record]) -> list[TargetRecord]:
    """Targets that a ``FSNAME-client`` log introduces, in the log's order."""
    nids_of: dict[str, list[str]] = {}
    by_device: dict[str, TargetRecord] = {}
    for record in records:
        fields = record.fields
        if record.event == "add_uuid":
            known = nids_of.setdefault(fields.get("node", ""), [])
            nid = _nid(fields.get("nid", ""))
            if nid and nid not in known:
                known.append(nid)
        elif record.event == "setup":
            found = target_of(fields.get("UUID", ""))
            if found:
                by_device[fields.get("device", "")] = found
                _add_node(found, nids_of, fields.get("node", ""))
        elif record.event == "add_conn" and fields.get("device", "") in by_device:
            _add_node(by_device[fields["device"]], nids_of, fields.get("node", ""))
    return list(by_device.values())


def _label(match: re.Match[str]) -> str:
    return f"{match['fs']}-{match['kind']}{match['index'].lower()}"


def _add_node(target: TargetRecord, nids_of: Mapping[str, list[str]], node: str) -> None:
    nids = list(nids_of.get(node, [])) or ([_nid(node)] if _nid(node) else [])
    if nids and nids not in target.service_nids:
        target.service_nids.append(nids)


def _nid(text: str) -> str:
    """``10.0.2.15@tcp(0x200000a00020f)`` → ``10.0.2.15@tcp``; empty when it is no NID."""
    try:
        return normal_nid(text.partition("(")[0])
    except ValueError:
        return ""
