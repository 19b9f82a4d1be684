import pickle

import numpy as np
import pytest
import torch

from hilander.models.official_checkpoint import CheckpointError, load_official_checkpoint


def official_state(width=6, hidden=16, attention=False, heads=2):
    """Names and shapes as the official LANDER writes them."""
    torch.manual_seed(0)
    half = hidden // 2
    if attention:
        convolution = {
            "conv.0.bias": (heads, hidden),
            "conv.0.gcn_layer.fc.weight": (heads * hidden, 2 * width),
            "conv.0.gcn_layer.attn_l": (1, heads, hidden),
            "conv.0.gcn_layer.attn_r": (1, heads, hidden),
            "conv.0.gcn_layer.bias": (heads * hidden,),
        }
    else:
        convolution = {"conv.0.gcn_layer.mlp.weight": (hidden, 4 * width), "conv.0.gcn_layer.mlp.bias": (hidden,)}
    head = {
        "src_mlp.weight": (half, hidden), "src_mlp.bias": (half,),
        "dst_mlp.weight": (half, hidden), "dst_mlp.bias": (half,),
        "classifier_conn.0.weight": (half,),
        "classifier_conn.1.weight": (half, half), "classifier_conn.1.bias": (half,),
        "classifier_conn.2.weight": (half,),
        "classifier_conn.3.weight": (2, half), "classifier_conn.3.bias": (2,),
    }  # fmt: skip
    return {name: torch.randn(shape) for name, shape in (convolution | head).items()}


@pytest.mark.parametrize("attention", [False, True])
def test_weights_arrive_where_they_belong(tmp_path, attention):
    state = official_state(attention=attention)
    torch.save(state, tmp_path / "lander.pth")
    model = load_official_checkpoint(tmp_path / "lander.pth", linkage_threshold=0.1)
    assert model.n_features == 6
    assert model.settings.linkage_threshold == 0.1
    lander = model.lander
    assert torch.equal(lander.source.weight, state["src_mlp.weight"])
    assert torch.equal(lander.destination.bias, state["dst_mlp.bias"])
    assert torch.equal(lander.classifier[3].weight, state["classifier_conn.3.weight"])
    convolution = lander.convolutions[0]
    if attention:
        assert torch.equal(convolution.attention.attn_l, state["conv.0.gcn_layer.attn_l"])
        assert torch.equal(convolution.bias, state["conv.0.bias"])
    else:
        assert torch.equal(convolution.linear.weight, state["conv.0.gcn_layer.mlp.weight"])


def test_the_older_names_are_read_too(tmp_path):
    state = official_state()
    older = {name.replace(".gcn_layer", ""): tensor for name, tensor in state.items()}
    torch.save(older, tmp_path / "old.pth")
    model = load_official_checkpoint(tmp_path / "old.pth")
    assert torch.equal(model.lander.convolutions[0].linear.bias, state["conv.0.gcn_layer.mlp.bias"])


def test_a_pickle_that_would_run_code_is_refused(tmp_path):
    class Malicious:
        def __reduce__(self):
            return (open, (str(tmp_path / "run"), "w"))

    (tmp_path / "lander.pth").write_bytes(pickle.dumps(Malicious()))
    with pytest.raises(CheckpointError, match="not loaded"):
        load_official_checkpoint(tmp_path / "lander.pth")
    assert not (tmp_path / "run").exists()


def test_other_checkpoints_are_named(tmp_path):
    torch.save({"fc.weight": torch.zeros(2, 2)}, tmp_path / "other.pth")
    with pytest.raises(CheckpointError, match=r"fc\.weight"):
        load_official_checkpoint(tmp_path / "other.pth")
    state = official_state()
    del state["src_mlp.bias"]
    torch.save(state, tmp_path / "part.pth")
    with pytest.raises(CheckpointError, match="not a whole LANDER"):
        load_official_checkpoint(tmp_path / "part.pth")
    torch.save([np.float64(1).item()], tmp_path / "list.pth")
    with pytest.raises(CheckpointError, match="not a state dict"):
        load_official_checkpoint(tmp_path / "list.pth")
    with pytest.raises(FileNotFoundError):
        load_official_checkpoint(tmp_path / "none.pth")


@pytest.mark.parametrize("content", [b"", b"\x80\x02.", b"\x80\x02h\x00.", b"\x80\x02X\x01"])
def test_a_damaged_file_gets_a_sentence(tmp_path, content):
    (tmp_path / "damaged.pth").write_bytes(content)
    with pytest.raises(CheckpointError, match="not loaded"):
        load_official_checkpoint(tmp_path / "damaged.pth")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({1: torch.zeros(2)}, "not a state dict"),
        ({"src_mlp.bias": torch.tensor(1.0)}, "not a whole LANDER"),
        ({"conv.0.gcn_layer.mlp.weight": torch.zeros(16)}, "not a whole LANDER"),
    ],
)
def test_names_and_shapes_of_no_lander_get_a_sentence(tmp_path, change, message):
    torch.save(official_state() | change, tmp_path / "lander.pth")
    with pytest.raises(CheckpointError, match=message):
        load_official_checkpoint(tmp_path / "lander.pth")
