import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from PIL import Image

from hilander.encoder import load_encoder
from hilander.encoder.onnx_encoder import OnnxEncoder


def write_model(path, shape, axes):
    """Mean over the two image axes: an embedding of width 3, the mean colour."""
    image = helper.make_tensor_value_info("image", TensorProto.FLOAT, shape)
    embedding = helper.make_tensor_value_info("embedding", TensorProto.FLOAT, [shape[0], None])
    axes_input = helper.make_tensor("axes", TensorProto.INT64, [2], axes)
    node = helper.make_node("ReduceMean", ["image", "axes"], ["embedding"], keepdims=0)
    graph = helper.make_graph([node], "mean_colour", [image], [embedding], [axes_input])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    onnx.checker.check_model(model)
    onnx.save(model, path)


def mean_colour(image):
    colour = (np.asarray(image, dtype=np.float64).mean(axis=(0, 1)) - 127.5) / 127.5
    return colour / np.linalg.norm(colour)


@pytest.mark.parametrize(
    ("shape", "axes"),
    [
        (["batch", 3, 8, 8], [2, 3]),
        (["batch", 3, "height", "width"], [2, 3]),
        (["batch", 8, 8, 3], [1, 2]),
        ([1, 3, 8, 8], [2, 3]),
    ],
    ids=["channels first", "open size", "channels last", "one image at a time"],
)
def test_any_layout_gives_the_models_own_output(tmp_path, shape, axes):
    write_model(tmp_path / "model.onnx", shape, axes)
    images = [Image.fromarray(np.random.default_rng(i).integers(0, 200, (8, 8, 3), dtype=np.uint8)) for i in range(5)]
    encoder = OnnxEncoder(tmp_path / "model.onnx", image_size=8)
    embeddings = encoder.encode(images, batch_size=2)
    assert embeddings.shape == (5, 3)
    assert np.allclose(embeddings, [mean_colour(image) for image in images], atol=1e-5)
    encoder.save(tmp_path / "encoder")
    (tmp_path / "model.onnx").unlink()  # the folder stands on its own
    assert np.array_equal(load_encoder(tmp_path / "encoder").encode(images, batch_size=2), embeddings)


def test_what_is_no_image_encoder_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"encoder\.path"):
        OnnxEncoder(tmp_path / "absent.onnx")
    (tmp_path / "text.onnx").write_text("not a model")
    with pytest.raises(ValueError, match="no ONNX model"):
        OnnxEncoder(tmp_path / "text.onnx")
    write_model(tmp_path / "video.onnx", ["batch", 3, 4, 8, 8], [2, 3])
    with pytest.raises(ValueError, match="must read images"):
        OnnxEncoder(tmp_path / "video.onnx")
