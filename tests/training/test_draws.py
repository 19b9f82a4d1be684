import numpy as np
import pytest
import torch

from hilander.training.encoded_draws import draw_encoded
from hilander.training.picture_draws import draw_pictures


@pytest.mark.parametrize("draw", [draw_encoded, draw_pictures])
def test_one_seed_gives_one_draw_and_leaves_the_global_generator_alone(draw):
    torch.manual_seed(3)
    embeddings, labels = draw(120, 32, seed=4)
    after = torch.rand(1)
    torch.manual_seed(3)
    assert torch.equal(after, torch.rand(1))
    again, same = draw(120, 32, seed=4)
    assert np.array_equal(embeddings, again)
    assert np.array_equal(labels, same)
    assert not np.array_equal(embeddings, draw(120, 32, seed=5)[0])
