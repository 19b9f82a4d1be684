import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

from hilander.encoder import load_encoder
from hilander.encoder.onnx_encoder import OnnxEncoder


def write_model(path, shape, axes, pixel_type=TensorProto.FLOAT):
    """Mean over the two image axes: an embedding of width 3, the mean colour."""
    image = helper.make_tensor_value_info("image", pixel_type, shape)
    embedding = helper.make_tensor_value_info("embedding", TensorProto.FLOAT, [shape[0], None])
    axes_input = helper.make_tensor("axes", TensorProto.INT64, [2], axes)
    nodes = [
        helper.make_node("Cast", ["image"], ["pixels"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["pixels", "axes"], ["embedding"], keepdims=0),
    ]
    save_model(path, nodes, image, embedding, axes_input)


def save_model(path, nodes, image, embedding, constant):
    graph = helper.make_graph(nodes, "model", [image], [embedding], [constant])
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
        (["batch", 3, 8, "width"], [2, 3]),
        ([1, 3, 8, 8], [2, 3]),
        ([4, 3, 8, 8], [2, 3]),
    ],
    ids=["channels first", "open size", "channels last", "open width", "one image at a time", "four at a time"],
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


@pytest.mark.parametrize("pixel_type", [TensorProto.FLOAT16, TensorProto.DOUBLE, TensorProto.UINT8])
def test_pixels_come_in_the_type_that_the_model_reads(tmp_path, pixel_type):
    write_model(tmp_path / "model.onnx", ["batch", 3, 8, 8], [2, 3], pixel_type)
    image = Image.fromarray(np.random.default_rng(0).integers(0, 200, (8, 8, 3), dtype=np.uint8))
    expected = mean_colour(image)
    if pixel_type == TensorProto.UINT8:  # as they are
        expected = np.asarray(image, dtype=np.float64).mean(axis=(0, 1))
        expected /= np.linalg.norm(expected)
    embedding = OnnxEncoder(tmp_path / "model.onnx").encode([image])[0]
    assert np.allclose(embedding, expected, atol=2e-3)


def test_a_side_that_the_file_leaves_open_keeps_its_size_in_the_folder(tmp_path):
    write_model(tmp_path / "model.onnx", ["batch", 3, 16, "width"], [2, 3])
    encoder = OnnxEncoder(tmp_path / "model.onnx", image_size=8)
    encoder.save(tmp_path / "encoder")
    image = Image.fromarray(np.random.default_rng(0).integers(0, 255, (21, 21, 3), dtype=np.uint8))
    loaded = load_encoder(tmp_path / "encoder")
    assert repr(loaded) == repr(encoder)
    assert np.array_equal(loaded.encode([image]), encoder.encode([image]))


def test_the_size_that_the_file_fixes_is_the_one_that_is_told(tmp_path):
    write_model(tmp_path / "model.onnx", ["batch", 3, 8, 8], [2, 3])
    assert "image_size=8" in repr(OnnxEncoder(tmp_path / "model.onnx", image_size=32))


def write_flat_model(path):
    """A linear map of 8 × 8 pixels, whatever size its input claims to take."""
    image = helper.make_tensor_value_info("image", TensorProto.FLOAT, ["batch", 1, "height", "width"])
    embedding = helper.make_tensor_value_info("embedding", TensorProto.FLOAT, ["batch", 5])
    weights = np.random.default_rng(0).normal(size=(64, 5)).astype(np.float32)
    constant = numpy_helper.from_array(weights, "weights")
    nodes = [
        helper.make_node("Flatten", ["image"], ["flat"]),
        helper.make_node("MatMul", ["flat", "weights"], ["embedding"]),
    ]
    save_model(path, nodes, image, embedding, constant)


def test_drawings_of_any_mode_are_told_apart(tmp_path, special_drawings):
    write_flat_model(tmp_path / "model.onnx")
    embeddings = OnnxEncoder(tmp_path / "model.onnx", image_size=8).encode(special_drawings)
    assert (embeddings @ embeddings.T - np.eye(5)).max() < 0.999


def test_settings_that_the_model_cannot_run_with_are_refused_at_once(tmp_path):
    path = tmp_path / "model.onnx"
    write_flat_model(path)
    with pytest.raises(ValueError, match=r"model\.onnx cannot encode images .* \(2, 1, 9, 9\); .*encoder\.image_size"):
        OnnxEncoder(path, image_size=9)
    with pytest.raises(ValueError, match=r"encoder\.image_size of at least 1 pixel; got -1"):
        OnnxEncoder(path, image_size=-1)
    with pytest.raises(ValueError, match=r"encoder\.pixel_mean with .* has 1; got \[1, 2, 3\]"):
        OnnxEncoder(path, image_size=8, pixel_mean=[1, 2, 3])
    with pytest.raises(ValueError, match=r"encoder\.pixel_std above 0, .* got \[0\]"):
        OnnxEncoder(path, image_size=8, pixel_std=[0])
    write_model(tmp_path / "integers.onnx", ["batch", 3, 8, 8], [2, 3], TensorProto.INT64)
    with pytest.raises(ValueError, match=r"must read pixels as .* tensor\(int64\)"):
        OnnxEncoder(tmp_path / "integers.onnx")


def test_a_model_whose_weights_lie_in_another_file_is_not_saved_without_them(tmp_path):
    write_flat_model(tmp_path / "whole.onnx")
    model = onnx.load(tmp_path / "whole.onnx")
    onnx.save(model, tmp_path / "model.onnx", save_as_external_data=True, location="model.onnx.data", size_threshold=0)
    encoder = OnnxEncoder(tmp_path / "model.onnx", image_size=8)
    with pytest.raises(ValueError, match=r"model\.onnx cannot be kept .* in another file .*external_data=False"):
        encoder.save(tmp_path / "encoder")
    assert not (tmp_path / "encoder").exists()


@pytest.mark.parametrize("shape", [[0, 3, 64], [0, 3, 8, 8]], ids=["tokens", "map"])
def test_states_of_tokens_or_a_map_are_no_embedding(tmp_path, shape):
    image = helper.make_tensor_value_info("image", TensorProto.FLOAT, ["batch", 3, 8, 8])
    output = helper.make_tensor_value_info("output", TensorProto.FLOAT, ["batch", *[None] * (len(shape) - 1)])
    reshape = helper.make_node("Reshape", ["image", "shape"], ["output"])
    save_model(tmp_path / "m.onnx", [reshape], image, output, numpy_helper.from_array(np.array(shape), "shape"))
    with pytest.raises(ValueError, match=r"one embedding per image, \(b, d\); got \(2, 3, .* not states of tokens"):
        OnnxEncoder(tmp_path / "m.onnx")


def test_an_embedding_may_have_further_axes_of_one(tmp_path):
    image = helper.make_tensor_value_info("image", TensorProto.FLOAT, ["batch", 3, 8, 8])
    output = helper.make_tensor_value_info("output", TensorProto.FLOAT, ["batch", 192, 1, 1])
    reshape = helper.make_node("Reshape", ["image", "shape"], ["output"])
    shape = numpy_helper.from_array(np.array([0, 192, 1, 1]), "shape")
    save_model(tmp_path / "m.onnx", [reshape], image, output, shape)
    assert OnnxEncoder(tmp_path / "m.onnx").embedding_size == 192
