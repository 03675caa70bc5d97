"""Packed weights: the same products, also after the weights change."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from synthesight.likelihood.packing import pack, unpack

X = torch.randn(3, 5, 64, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(64, 80), nn.ReLU(), nn.Linear(80, 64, bias=False)).eval()


@torch.no_grad()
def test_packed_layers_say_the_same(network: nn.Module) -> None:
    expected, names = network(X), list(network.state_dict())
    assert pack(network) == 2
    torch.testing.assert_close(network(X), expected)
    assert list(network.state_dict()) == names
    assert unpack(network)
    assert not unpack(network)
    assert torch.equal(network(X), expected)


@torch.no_grad()
def test_weights_that_change_are_packed_again(network: nn.Module) -> None:
    """As those of a network in training, which is looked at now and then."""
    pack(network)
    before = network(X)
    other = copy.deepcopy(network)
    unpack(other)
    for parameters in (network.parameters(), other.parameters()):
        for parameter in parameters:
            parameter.mul_(0.5)
    torch.testing.assert_close(network(X), other(X))
    network[0].weight.data = torch.zeros(80, 64)
    assert not torch.equal(network(X), before)


def test_layers_that_others_changed_are_left_alone(network: nn.Module) -> None:
    class Own(nn.Linear):
        pass

    network[2] = Own(80, 64)
    called = []
    plain = network[0].forward
    network[0].forward = lambda x: called.append(1) or plain(x)
    assert pack(network) == 0
    unpack(network)
    network(X)
    assert called
