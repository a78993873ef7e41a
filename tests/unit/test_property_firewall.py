"""Whatever firewall a node has: the port is open afterwards, and no rule of anybody is taken away."""

from __future__ import annotations

import copy

from hypothesis import event, given
from hypothesis import strategies as st

from ansible_collections.lustre.core.plugins.module_utils._engine import converge
from ansible_collections.lustre.core.plugins.module_utils._resources.firewall import FirewallResource
from tests.unit.hypotheses import examples
from tests.unit.models.firewall_model import Chain, FirewallModel

ports = st.sets(st.sampled_from([22, 988, 6988]))
rules = st.lists(st.tuples(st.sampled_from([None, 22, 988]), st.sampled_from(["accept", "drop", "reject"])), max_size=4)
chains = st.lists(
    st.builds(Chain, st.sampled_from(["input", "early", "fwd"]), st.sampled_from(["input", "input", "forward"]), st.sampled_from(["accept", "drop"]), rules),
    max_size=3,
    unique_by=lambda chain: chain.name,
)  # fmt: skip
INCLUDE = '#!/usr/sbin/nft -f\ninclude "/etc/nftables.d/*.conf"\n'
models = st.builds(
    FirewallModel,
    firewalld=st.none() | ports,
    firewalld_stored=ports,
    running=st.booleans(),
    ufw=st.none() | ports,
    active=st.booleans(),
    chains=st.none() | chains,
    files=st.sampled_from([{}, {"/etc/nftables.conf": INCLUDE}, {"/etc/sysconfig/nftables.conf": INCLUDE}]).map(dict),
)


@examples(60)
@given(model=models, port=st.sampled_from([988, 6988]))
def test_the_port_is_open_and_nothing_is_closed(model: FirewallModel, port: int) -> None:
    before = copy.deepcopy(model)
    made = FirewallResource(port, "", model.read)
    planned = converge(made, model, check_mode=True)
    assert not model.calls
    outcome = converge(made, model, write=model.write)
    event(outcome.after["firewall"])
    assert outcome.plan == planned.plan, "a check tells what the run tells"
    assert model.open_now(port)
    assert not any(step.disruptive or step.destructive for step in outcome.plan.steps)
    assert not converge(FirewallResource(port, "", model.read), model, write=model.write).changed
    # only what decides was spoken to, and only added to
    tools = {call[0] for call in model.calls}
    assert tools <= {"firewalld": {"firewall-cmd"}, "ufw": {"ufw"}, "nft": {"nft", "write"}}[before.deciding()]
    assert (before.firewalld or set()) <= (model.firewalld or set()) and (before.ufw or set()) <= (model.ufw or set())
    for old, new in zip(before.chains or [], model.chains or []):
        assert new.rules[len(new.rules) - len(old.rules) :] == old.rules and len(new.rules) <= len(old.rules) + 1
    if before.deciding() == "firewalld":
        assert port in model.firewalld_stored, "closed again after a reboot"
    if model.calls and before.deciding() == "nft":
        kept = any("lustre-lnet.conf" in path for path in model.files)
        assert kept or outcome.plan.drift, "nobody is told that a reboot closes it"
