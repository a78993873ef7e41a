"""The firewall resource: which firewall decides, what it is asked, what is opened."""

from __future__ import annotations

import json

import pytest

from ansible_collections.lustre.core.plugins.module_utils._engine import converge
from ansible_collections.lustre.core.plugins.module_utils._errors import ToolMissing, UnknownOutput
from ansible_collections.lustre.core.plugins.module_utils._resources.firewall import FirewallResource

NO_FIREWALLD = (["firewall-cmd", "--state"], ToolMissing("firewall-cmd"))
NO_UFW = (["ufw", "status"], ToolMissing("ufw"))
NO_NFT = (["nft", "-j", "list", "ruleset"], ToolMissing("nft"))
ACCEPT = [
    {"match": {"op": "==", "left": {"payload": {"protocol": "tcp", "field": "dport"}}, "right": 988}},
    {"accept": None},
]
INCLUDE = '#!/usr/sbin/nft -f\nflush ruleset\ninclude "/etc/nftables.d/*.conf"\n'


def ruleset(*rules, policy="drop", hook="input"):
    chain = {"family": "inet", "table": "filter", "name": "input", "type": "filter", "hook": hook, "policy": policy}
    where = {"family": "inet", "table": "filter", "chain": "input"}
    return json.dumps(
        {"nftables": [{"metainfo": {}}, {"chain": chain}, *({"rule": {**where, "expr": e}} for e in rules)]}
    )


def nft(text):
    return (["nft", "-j", "list", "ruleset"], text)


def resource(files=None):
    made = FirewallResource.from_options()
    made.read = lambda path: (files or {}).get(path, "")
    return made


def commands(plan):
    return [" ".join(step.argv) if step.argv else step.write.path for step in plan.steps]


def test_no_firewall_at_all_needs_nothing(fake):
    outcome = converge(resource(), fake([NO_FIREWALLD, NO_UFW, NO_NFT]))
    assert not outcome.changed
    assert outcome.after["firewall"] == "none"


def test_firewalld_gets_the_port_for_good_and_now(fake):
    query = ["firewall-cmd", "--query-port=988/tcp"]
    stored = ["firewall-cmd", "--permanent", "--query-port=988/tcp"]
    state = (["firewall-cmd", "--state"], "running\n")
    run = fake(
        [
            state,
            (query, (1, "no\n", "")),
            (stored, (1, "no\n", "")),
            (["firewall-cmd", "--permanent", "--add-port=988/tcp"], "success\n"),
            (["firewall-cmd", "--add-port=988/tcp"], "success\n"),
            state,
            (query, "yes\n"),
            (stored, "yes\n"),
        ]
    )
    assert converge(resource(), run).changed


def test_stopped_firewalld_does_not_decide(fake):
    run = fake([(["firewall-cmd", "--state"], (252, "", "not running\n")), NO_UFW, NO_NFT])
    assert converge(resource(), run).after["firewall"] == "none"


@pytest.mark.parametrize(
    ("status", "wanted"),
    [
        ("Status: inactive\n", None),
        ("Status: active\n\nTo      Action  From\n--      ------  ----\n22/tcp  ALLOW   Anywhere\n", "ufw allow"),
        ("Status: active\n\nTo      Action  From\n--      ------  ----\n988/tcp   ALLOW   Anywhere\n", None),
        ("Status: active\n\nTo      Action  From\n--      ------  ----\n988/tcp   DENY    Anywhere\n", "ufw allow"),
        ("Status: active\n\nTo      Action  From\n--      ------  ----\n988/tcp   ALLOW   10.0.0.1\n", "ufw allow"),
    ],
)
def test_ufw(fake, status, wanted):
    calls = [NO_FIREWALLD, (["ufw", "status"], status)]
    if "inactive" in status:
        calls.append(NO_NFT)
    outcome = converge(resource(), fake(calls), check_mode=True)
    assert [command[: len(wanted or "")] for command in commands(outcome.plan)] == ([wanted] if wanted else [])


def test_bare_nftables_that_blocks_nothing_is_left_alone(fake):
    outcome = converge(resource(), fake([NO_FIREWALLD, NO_UFW, nft(ruleset(policy="accept"))]))
    assert not outcome.changed


def test_bare_nftables_is_opened_first_and_kept_where_files_are_included(fake):
    run = fake([NO_FIREWALLD, NO_UFW, nft(ruleset())])
    outcome = converge(resource({"/etc/nftables.conf": INCLUDE}), run, check_mode=True)
    assert commands(outcome.plan) == [
        "nft insert rule inet filter input tcp dport 988 accept",
        "/etc/nftables.d/lustre-lnet.conf",
    ]
    assert "insert rule inet filter input tcp dport 988 accept" in outcome.plan.steps[1].write.content


def test_bare_nftables_without_an_include_says_what_to_add(fake):
    outcome = converge(resource(), fake([NO_FIREWALLD, NO_UFW, nft(ruleset())]), check_mode=True)
    assert len(outcome.plan.steps) == 1
    assert "insert rule inet filter input tcp dport 988 accept" in outcome.plan.drift[0].remedy


@pytest.mark.parametrize(
    ("rules", "open_now"),
    [
        ([ACCEPT], True),
        ([[{"match": {**ACCEPT[0]["match"], "right": {"set": [22, {"range": [900, 1000]}]}}}, {"accept": None}]], True),
        ([[{"match": {**ACCEPT[0]["match"], "right": 22}}, {"accept": None}]], False),
        ([[{"drop": None}], ACCEPT], False),
        ([[{"match": {"op": "==", "left": {"meta": {"key": "iifname"}}, "right": "lo"}}, *ACCEPT]], False),
    ],
    ids=["accepted", "within a set", "another port", "behind a blanket drop", "only for one interface"],
)
def test_rules_count_in_their_order(fake, rules, open_now):
    outcome = converge(resource(), fake([NO_FIREWALLD, NO_UFW, nft(ruleset(*rules))]), check_mode=True)
    assert outcome.after["open_now"] is open_now


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"nftables": 3}', '{"nftables": [{"chain": 1}]}'])
def test_unknown_nft_output_stops(fake, text):
    with pytest.raises(UnknownOutput):
        converge(resource(), fake([NO_FIREWALLD, NO_UFW, nft(text)]))
