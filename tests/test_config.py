from pathlib import Path

import pytest

from hilander.config import Params, load_params
from hilander.typed_mapping import ConfigError


def write(folder, text):
    path = folder / "params.yaml"
    path.write_text(text)
    return path


def test_the_repository_file_is_valid():
    assert load_params(Path(__file__).parents[1] / "params.yaml").encoder.epochs > 0


def test_keys_left_out_take_their_defaults(tmp_path):
    params = load_params(write(tmp_path, "encoder:\n  epochs: 3\n"))
    assert params.encoder.epochs == 3
    assert params.graph == Params().graph
    assert load_params(write(tmp_path, "")) == Params()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("encoder:\n  epoch: 3\n", "unknown key 'epoch'; did you mean 'epochs'"),
        ("enkoder: {}\n", "unknown key 'enkoder'; did you mean 'encoder'"),
        ("encoder:\n  epochs: many\n", "epochs: expected int, got str 'many'"),
        ("encoder:\n  epochs: true\n", "expected int, got bool"),
        ("encoder: 3\n", "expected a block of keys"),
        ("evaluate:\n  baselines: kmeans\n", "expected a list"),
        ("encode:\n  batch_size: 0\n", "encode.batch_size must be from 1"),
        ("lander:\n  hilander:\n    n_cores: 0\n", "lander.hilander.n_cores must be from 1 to .*; got 0"),
        ("lander:\n  published:\n    n_neighbors: [10, 0, 3]\n", "lander.published.n_neighbors must be from 1"),
        ("validate:\n  max_near_empty_share: .nan\n", "validate.max_near_empty_share must be from 0 to 1; got nan"),
        ("gate:\n  min_f_pairwise: 75\n", "gate.min_f_pairwise must be from 0 to 1; got 75.0"),
        ("gate:\n  max_drop: -1\n", "gate.max_drop must be from 0 to 1; got -1.0"),
        ("monitor:\n  window_hours: -24\n", "monitor.window_hours must be from 0 to 100,000; got -24.0"),
        ("monitor:\n  cool_down_hours: .inf\n", "monitor.cool_down_hours must be from 0 to"),
        ("monitor:\n  sustained: 0\n", "monitor.sustained must be from 1"),
        ("monitor:\n  max_rows: 100\n", r"monitor.max_rows must be at least monitor.min_rows \(500\).*; got 100"),
        ("lander:\n  variant: hilandr\n", "lander.variant must be one of hilander, published; got 'hilandr'"),
        ("lander:\n  compare_with: [similarity]\n", "lander.compare_with must be one of .*; got 'similarity'"),
        ("data:\n  format: csv\n", "data.format must be one of auto, parquet, .*; got 'csv'"),
        ("encoder:\n  name: resnet50\n", "encoder.name must be one of resnet, conv, onnx, .*; got 'resnet50'"),
        ("encoder:\n  loss: triplet\n", "encoder.loss must be one of arcface, .*; got 'triplet'"),
        ("graph:\n  method: hnsw\n", "graph.method must be one of auto, exact, ivf; got 'hnsw'"),
        ("lander:\n  published:\n    optimizer: adam\n", "published.optimizer must be one of adamw, sgd; got 'adam'"),
        ("evaluate:\n  baselines: [leiden, louvain]\n", "evaluate.baselines must be one of .*; got 'louvain'"),
        ("evaluate:\n  baselines: [1]\n", r"baselines\[0\]: expected str"),
        # Baselines that take no such seed gave no result, and the quality gate went by the others alone.
        ("evaluate:\n  seed: -1\n", "evaluate.seed must be from 0 to 4,294,967,295; got -1"),
        ("a: [\n", "not valid YAML"),
        # The first block was lost without a word.
        ("encoder: {epochs: 3}\ngraph: {}\nencoder: {width: 4}\n", "the key 'encoder' comes twice .*\n.*line 3"),
        ("lander:\n  published:\n    n_convolutions: 5\n", "n_convolutions must be from 1 to 4; got 5"),
    ],
)
def test_errors_name_the_key_and_the_remedy(tmp_path, text, message):
    with pytest.raises(ConfigError, match=message):
        load_params(write(tmp_path, text))


def test_a_file_of_another_encoding_is_named(tmp_path):
    path = tmp_path / "params.yaml"
    path.write_bytes("encoder: {path: modèle}\n".encode("latin-1"))
    with pytest.raises(ConfigError, match=rf"^{path} is not valid YAML: 'utf-8' codec"):
        load_params(path)


def test_a_block_may_take_over_what_another_one_says(tmp_path):
    text = "encoder:\n  ensemble: [&first {width: 8, seed: 1}, {<<: *first, seed: 2}]\n"
    assert [(each.width, each.seed) for each in load_params(write(tmp_path, text)).encoder.ensemble] == [(8, 1), (8, 2)]


def test_an_integer_is_a_number(tmp_path):
    assert load_params(write(tmp_path, "data:\n  test_share: 1\n")).data.test_share == 1.0


def test_missing_file_says_where_it_was_looked_for(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"params\.yaml"):
        load_params(tmp_path / "params.yaml")
