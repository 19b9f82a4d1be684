import math

import pytest
import torch

from hilander.nn.losses import density_loss, linkage_loss

LOGITS = torch.tensor([[0.0, 1.0], [0.0, -1.0], [2.0, 0.0], [0.0, 3.0]])
TARGETS = torch.tensor([1.0, 0.0, 0.0, 1.0])
ALL = torch.ones(4, dtype=torch.bool)


def by_hand(rows, gamma=0.0):
    losses = []
    for row in rows:
        exponentials = [math.exp(x) for x in LOGITS[row].tolist()]
        p = exponentials[int(TARGETS[row])] / sum(exponentials)
        losses.append(-((1 - p) ** gamma) * math.log(p))
    return sum(losses) / len(losses)


@pytest.mark.parametrize("gamma", [0.0, 2.0])
def test_cross_entropy_and_focal_loss_by_hand(gamma):
    assert linkage_loss(LOGITS, TARGETS, ALL, focal_gamma=gamma).item() == pytest.approx(by_hand(range(4), gamma))


def test_only_masked_edges_count():
    mask = torch.tensor([True, True, False, False])
    assert linkage_loss(LOGITS, TARGETS, mask).item() == pytest.approx(by_hand([0, 1]))


def test_balancing_draws_as_many_of_either_kind():
    mask = torch.tensor([True, True, True, False])  # one positive edge, two negative ones
    torch.manual_seed(0)
    found = {round(linkage_loss(LOGITS, TARGETS, mask).item(), 5) for _ in range(30)}
    assert found == {round(by_hand([0, 1]), 5), round(by_hand([0, 2]), 5)}
    unbalanced = linkage_loss(LOGITS, TARGETS, mask, balance=False).item()
    assert unbalanced == pytest.approx(by_hand([0, 1, 2]))


def test_no_edge_of_one_kind_leaves_a_loss_that_can_be_backpropagated():
    logits = LOGITS.clone().requires_grad_()
    loss = linkage_loss(logits, torch.ones(4), ALL)
    loss.backward()
    assert loss.item() == 0


def test_density_loss_is_the_mean_square():
    assert density_loss(torch.tensor([1.0, 0.0]), torch.tensor([0.0, 0.5])).item() == pytest.approx(0.625)
