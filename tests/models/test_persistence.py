import json

import numpy as np
import pytest
import torch

from hilander.model_folder import ModelFolderError
from hilander.models.clustering_model import ClusteringSettings
from hilander.models.persistence import load_model
from hilander.models.published import PublishedModel
from hilander.models.similarity import SimilarityModel
from hilander.nn.lander import Lander


def published_model(**changes):
    torch.manual_seed(0)
    arguments = {"n_features": 12, "hidden_features": 8, "convolution": "attention", "n_heads": 2}
    values = {
        "settings": ClusteringSettings(n_neighbors=7, linkage_threshold=0.3, early_stop=True),
        "n_features": 6,
        "provenance": {"trained_on": {"items": 1200, "classes": 30}},
        "lander": Lander(**arguments),
        "lander_arguments": arguments,
    }
    return PublishedModel(**values | changes)


def test_a_loaded_model_equals_the_saved_one(tmp_path):
    saved = published_model()
    saved.save(tmp_path / "model")
    loaded = load_model(tmp_path / "model", device="cpu")
    assert loaded.settings == saved.settings
    assert loaded.provenance == saved.provenance
    assert (loaded.n_features, loaded.variant) == (6, "published")
    weights = loaded.network().state_dict()
    assert all(torch.equal(weights[name], tensor) for name, tensor in saved.network().state_dict().items())
    assert not loaded.network().training


def test_files_may_be_links_as_those_of_a_cache_are(tmp_path):
    """DVC leaves such where cache.type is symlink, and hubs of models do."""
    saved = published_model()
    folder = saved.save(tmp_path / "model")
    (tmp_path / "cache").mkdir()
    for number, file in enumerate(list(folder.iterdir())):
        file.rename(tmp_path / "cache" / str(number))
        file.symlink_to(tmp_path / "cache" / str(number))
    weights = load_model(folder, device="cpu").network().state_dict()
    assert all(torch.equal(weights[name], tensor) for name, tensor in saved.network().state_dict().items())


def test_a_model_without_weights_is_kept_too(tmp_path):
    SimilarityModel(settings=ClusteringSettings(linkage_threshold=0.6)).save(tmp_path / "model")
    assert load_model(tmp_path / "model").settings.linkage_threshold == 0.6


def test_the_card_says_what_it_was_trained_on(tmp_path):
    card = (published_model().save(tmp_path / "model") / "README.md").read_text()
    assert "1,200 items, 30 classes" in card
    assert "6 columns wide" in card


@pytest.mark.parametrize("name", ["config.json", "model.safetensors"])
def test_a_missing_file_is_named(tmp_path, name):
    folder = published_model().save(tmp_path / "model")
    (folder / name).unlink()
    with pytest.raises(ModelFolderError, match=f"lacks {name}"):
        load_model(folder)


def test_altered_weights_are_refused(tmp_path):
    folder = published_model().save(tmp_path / "model")
    weights = bytearray((folder / "model.safetensors").read_bytes())
    weights[-1] ^= 1
    (folder / "model.safetensors").write_bytes(weights)
    with pytest.raises(ModelFolderError, match="altered or damaged"):
        load_model(folder)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"format": "other"}, "must be of format 'hilander-model/1'"),
        ({"files": {"../secret": "0"}}, "outside the folder"),
        ({"files": {"inner/../../secret": "0"}}, "outside the folder"),
        ({"files": {"/etc/hostname": "0"}}, "outside the folder"),
        ({"files": ["model.safetensors"]}, "list its files by name"),
        ({"files": {}}, "names no model.safetensors"),
        ({"provenance": 5}, "provenance or n_features is of another kind"),
        ({"n_features": "12"}, "provenance or n_features is of another kind"),
        ({"variant": ["published"]}, "holds variant"),
        ({"variant": "magic"}, "variant 'magic'"),
        ({"settings": {"n_neighbours": 3}}, "did you mean 'n_neighbors'"),
        ({"architecture": {"n_features": 12}}, "does not fit together"),
    ],
)
def test_an_altered_configuration_is_refused(tmp_path, change, message):
    folder = published_model().save(tmp_path / "model")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | change))
    with pytest.raises(ModelFolderError, match=message):
        load_model(folder)


def test_other_folders_are_neither_read_nor_replaced(tmp_path):
    with pytest.raises(FileNotFoundError, match="train one"):
        load_model(tmp_path / "none")
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(ModelFolderError, match="holds files but no model"):
        published_model().save(tmp_path)
    assert (tmp_path / "thesis.txt").exists()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('{"name": "an application"}', "holds files but no model"),
        ("{", "holds files but no model"),
        ('{"format": "hilander-encoder/1"}', "holds a hilander-encoder, which a hilander-model would replace"),
        ('{"format": "hilander-model/1", "files": {}}', "holds a model and thesis.txt, which is no part of it"),
    ],
)
def test_a_folder_that_happens_to_hold_a_config_json_is_not_replaced(tmp_path, content, message):
    (tmp_path / "config.json").write_text(content)
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(ModelFolderError, match=message):
        published_model().save(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["config.json", "thesis.txt"]
    assert (tmp_path / "config.json").read_text() == content


@pytest.mark.parametrize("named", [".", "whole"])
def test_the_current_folder_is_not_replaced(tmp_path, monkeypatch, named):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ModelFolderError, match=r"current folder .* name one in it"):
        published_model().save(named if named == "." else tmp_path)
    assert not list(tmp_path.iterdir())
    assert (published_model().save("model") / "config.json").is_file()


def test_a_configuration_that_is_nested_without_end_is_refused(tmp_path):
    folder = published_model().save(tmp_path / "model")
    (folder / "config.json").write_text("[" * 100_000)
    with pytest.raises(ModelFolderError, match="not valid JSON"):
        load_model(folder)


def test_numbers_of_numpy_are_kept_as_numbers(tmp_path):
    model = published_model(provenance={"training": {"epochs": np.int64(3), "learning_rate": np.float32(0.5)}})
    loaded = load_model(model.save(tmp_path / "model"))
    assert loaded.provenance["training"] == {"epochs": 3, "learning_rate": 0.5}
