import pytest
import torch
from torch import nn

from voiceagent.training.low_rank import LowRankLinear, begin_low_rank, learnt_updates


@pytest.fixture
def network():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(6, 8), nn.Sequential(nn.GELU(), nn.Linear(8, 4, bias=False)))


def test_a_network_begins_as_it_was(network):
    x = torch.randn(3, 6)
    before = network(x)
    begin_low_rank(network, 2)
    assert sum(isinstance(module, LowRankLinear) for module in network.modules()) == 2
    assert torch.equal(network(x), before)


def test_only_the_factors_are_learnt_and_they_are_all_of_the_difference(network):
    x, wanted = torch.randn(64, 6), torch.randn(64, 4)
    begin_low_rank(network, 2)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    optimiser = torch.optim.Adam(network.parameters(), 1e-2)
    losses = []
    for _ in range(30):
        loss = (network(x) - wanted).square().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert losses[-1] < 0.97 * losses[0]
    state = network.state_dict()
    changed = {name for name in state if not torch.equal(state[name], before[name])}
    assert changed == {"0.outer", "0.inner", "1.1.outer", "1.1.inner"}
    updates = learnt_updates(state)
    assert updates.keys() == {"0.weight", "1.1.weight"}
    plain = nn.Sequential(nn.Linear(6, 8), nn.Sequential(nn.GELU(), nn.Linear(8, 4, bias=False)))
    with torch.no_grad():
        plain[0].bias.copy_(state["0.linear.bias"])
        for name, (outer, inner) in updates.items():
            own = state[f"{name.removesuffix('weight')}linear.weight"]
            plain.get_parameter(name).copy_(own + outer @ inner)
    torch.testing.assert_close(plain(x), network(x))


def test_factors_of_before_go_on_and_the_layer_is_the_same(network):
    torch.manual_seed(1)
    outer, inner, x = 5 * torch.randn(4, 3), torch.randn(3, 8), torch.randn(3, 6)
    weight = network[1][1].weight.detach().clone()
    with torch.no_grad():
        network[1][1].weight += outer @ inner
    before = network(x)
    begin_low_rank(network, 2, {"1.1.weight": (weight, outer, inner)})
    torch.testing.assert_close(network(x), before)
    layer = network[1][1]
    assert torch.equal(layer.linear.weight, weight)
    assert layer.outer.shape == (4, 3), "of the rank that they have"
    torch.testing.assert_close(layer.outer.norm(dim=0), layer.inner.norm(dim=1))
