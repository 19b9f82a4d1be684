import pytest
import torch
from torch.nn import functional as F

from hilander.encoder.margin_heads import DEFAULT_MARGINS, build_margin_head


def cosines(head, embeddings):
    return F.normalize(embeddings) @ F.normalize(head.W, dim=0)


def test_cosface_is_a_softmax_over_cosines_less_the_margin():
    torch.manual_seed(0)
    embeddings, labels = torch.randn(6, 8), torch.tensor([0, 1, 2, 3, 0, 1])
    head = build_margin_head("cosface", 4, 8, margin=0.2, scale=16)
    logits = cosines(head, embeddings)
    logits[range(6), labels] -= 0.2
    assert torch.isclose(head(embeddings, labels), F.cross_entropy(16 * logits, labels))


def test_arcface_adds_the_margin_to_the_angle():
    torch.manual_seed(0)
    embeddings, labels = torch.randn(6, 8), torch.tensor([0, 1, 2, 3, 0, 1])
    head = build_margin_head("arcface", 4, 8, scale=16)
    logits = cosines(head, embeddings)
    angles = logits[range(6), labels].acos() + torch.deg2rad(torch.tensor(DEFAULT_MARGINS["arcface"]))
    assert angles.max() < torch.pi  # beyond it the loss goes on linearly
    logits[range(6), labels] = angles.cos()
    assert torch.isclose(head(embeddings, labels), F.cross_entropy(16 * logits, labels))


def test_softmax_has_no_margin_and_sub_centres_take_the_nearest():
    torch.manual_seed(0)
    embeddings, labels = torch.randn(6, 8), torch.tensor([0, 1, 2, 3, 0, 1])
    head = build_margin_head("softmax", 4, 8, scale=16)
    assert torch.isclose(head(embeddings, labels), F.cross_entropy(16 * cosines(head, embeddings), labels))
    head = build_margin_head("subcenter_arcface", 4, 8, margin=0.0, scale=16)
    nearest = cosines(head, embeddings).view(6, 4, 3).amax(dim=2)
    assert torch.isclose(head(embeddings, labels), F.cross_entropy(16 * nearest, labels), atol=1e-4)


def test_an_unknown_loss_is_named():
    with pytest.raises(ValueError, match=r"unknown encoder\.loss 'triplet'; known: arcface"):
        build_margin_head("triplet", 4, 8)
