"""Numbers out of range are refused at the start; relative paths depart from where they were written down."""

import pytest
import yaml

from hilander.serving.configuration import ServingConfig, complete_variables, load_configuration
from hilander.typed_mapping import ConfigError


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("reload_seconds", -1, "from 0.001 to 1,000,000,000; got -1.0"),
        ("reload_seconds", 0, "from 0.001 to 1,000,000,000; got 0.0"),
        ("limits.max_rows", -5, "from 1 to 1,000,000,000,000; got -5"),
        ("limits.max_rows", 10**13, "from 1 to 1,000,000,000,000; got 10000000000000"),
        ("limits.max_running", 0, "from 1 to 1,000,000,000,000; got 0"),
        ("limits.max_waiting", -1, "from 0 to 1,000,000,000,000; got -1"),
        ("limits.max_seconds", float("nan"), "from 0.001 to 1,000,000,000; got nan"),
        ("limits.max_upload_seconds", float("inf"), "from 0.001 to 1,000,000,000; got inf"),
        ("tasks.max_running", 0, "from 1 to 1,000,000,000,000; got 0"),
        ("tasks.max_seconds", 2**32, "from 1 to 1,000,000,000; got 4294967296"),
        ("capture.max_age_days", 1e6, "from 0.001 to 10,000; got 1000000.0"),
    ],
)
def test_a_number_out_of_its_range_is_refused_with_its_key_and_range(tmp_path, key, value, said):
    path = tmp_path / "serving.yaml"
    block, _, name = key.rpartition(".")
    path.write_text(yaml.safe_dump({block: {name: value}} if block else {name: value}))
    with pytest.raises(ConfigError) as refused:
        load_configuration(path)
    assert str(refused.value) == f"{path}: {key} must be {said}"


def test_a_block_that_stands_twice_is_refused(tmp_path):
    """The first one was lost without a word, as where tokens were added below."""
    path = tmp_path / "serving.yaml"
    path.write_text("security: {open_on_loopback: true}\nmodels: models\nsecurity: {tokens: []}\n")
    with pytest.raises(ConfigError, match="the key 'security' comes twice in one block"):
        load_configuration(path)


def test_every_number_of_the_configuration_has_a_range(tmp_path):
    path = tmp_path / "serving.yaml"
    blocks = {"": ServingConfig(), **{name: getattr(ServingConfig(), name) for name in ("limits", "tasks", "capture")}}
    numbers = [
        (block, name)
        for block, values in blocks.items()
        for name, value in vars(values).items()
        if type(value) in (int, float)
    ]
    assert len(numbers) > 20
    for block, name in numbers:
        path.write_text(yaml.safe_dump({block: {name: -1}} if block else {name: -1}))
        with pytest.raises(ConfigError, match=f"{name} must be from"):
            load_configuration(path)


def test_the_least_and_none_at_all_are_accepted_where_they_make_sense(tmp_path):
    path = tmp_path / "serving.yaml"
    path.write_text("limits: {max_running: 1, max_waiting: 0, max_pairs: 0, max_seconds: 0.5}\ntasks: {max_waiting: 0}")
    limits = load_configuration(path).limits
    assert (limits.max_waiting, limits.max_pairs, limits.max_seconds) == (0, 0, 0.5)


def test_relative_paths_depart_from_the_folder_of_the_file_and_urls_stay(tmp_path, monkeypatch):
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    path = tmp_path / "serving.yaml"
    path.write_text("models: releases\ntasks: {folder: /var/tasks}\ncapture: {url: in/captured}")
    configuration = load_configuration("../serving.yaml")
    assert (tmp_path / "elsewhere" / configuration.models).resolve() == tmp_path / "releases"
    assert configuration.tasks.folder == "/var/tasks"
    assert load_configuration(path).capture.url == str(tmp_path / "in" / "captured")
    path.write_text("capture: {url: 's3://bucket/captured'}")
    assert load_configuration(path).capture.url == "s3://bucket/captured"
    assert load_configuration(path).models == str(tmp_path / "models")


def test_variables_are_completed_in_the_folder_of_the_command(tmp_path, monkeypatch):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "mine.yaml").write_text("reload_seconds: 7")
    monkeypatch.setenv("HILANDER_SERVING_CONFIG", "mine.yaml")
    monkeypatch.setenv("HILANDER_MODELS", "releases")
    monkeypatch.chdir(tmp_path)
    complete_variables()
    monkeypatch.chdir(tmp_path / "elsewhere")
    configuration = load_configuration()
    assert configuration.reload_seconds == 7
    assert configuration.models == str(tmp_path / "releases")


def test_a_named_file_that_is_missing_is_named_in_full_with_the_remedy(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HILANDER_SERVING_CONFIG", "c.yaml")
    with pytest.raises(FileNotFoundError, match="an absolute path") as missing:
        load_configuration()
    assert str(tmp_path / "c.yaml") in str(missing.value)


def test_bentomls_own_timeout_never_comes_before_the_limits_of_upload_and_answer(make, tmp_path, monkeypatch):
    from bentoml._internal.server.http.traffic import TimeoutMiddleware

    from hilander.serving.service import HilanderService

    for upload, answer in ((60, 50), (900, 300), (1, 0.5)):
        path = make.configuration(tmp_path, limits={"max_upload_seconds": upload, "max_seconds": answer})
        monkeypatch.setenv("HILANDER_SERVING_CONFIG", str(path))
        layers = HilanderService.to_asgi().app.user_middleware
        (timeout,) = (layer.kwargs["timeout"] for layer in layers if layer.cls is TimeoutMiddleware)
        assert upload + answer < timeout <= upload + answer + 60
