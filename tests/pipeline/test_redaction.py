"""No secret of DVC's settings or the environment in a line, and ordinary lines as they are."""

import pytest

from hilander.pipeline.redaction import Redactor


@pytest.fixture
def redactor(tmp_path, monkeypatch):
    monkeypatch.setenv("STORE_API_KEY", "environ-4711")
    monkeypatch.setenv("SIGNING_PRIVATE_PEM", "-----BEGIN-----\nline-one-of-it\nline-two-of-it\n")
    monkeypatch.setenv("A_TOKEN", "true")
    monkeypatch.setenv("TOKENIZERS_PARALLELISM", "parallel")
    monkeypatch.setenv("DVC_GLOBAL_CONFIG_DIR", str(tmp_path / "global"))
    (tmp_path / ".dvc").mkdir()
    (tmp_path / "global").mkdir()
    (tmp_path / "global/config").write_text("['remote \"away\"']\n    passphrase = of-the-user\n")
    (tmp_path / ".dvc/config").write_text(
        "[core]\n    remote = away\n['remote \"away\"']\n    url = ssh://host/store\n"
    )
    (tmp_path / ".dvc/config.local").write_text(
        "['remote \"away\"']\n    secret_access_key = 'correct/horse%battery'\n    password = staple-%(x)s\n"
        "    sse_customer_key = customer-4712\n    user = reader\n"
    )
    return Redactor(tmp_path)


@pytest.mark.parametrize(
    "secret",
    ["correct/horse%battery", "staple-%(x)s", "customer-4712", "of-the-user", "environ-4711", "line-two-of-it"],
)
def test_secrets_of_the_settings_and_the_environment_are_hidden_wherever_they_stand(redactor, secret):
    assert redactor(f"failed at {secret}/x, <{secret}>") == "failed at •••/x, <•••>"


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ("GET https://me:pw@host/a?sig=abc&v=1 failed", "GET https://•••@host/a?sig=•••&v=••• failed"),
        ("password: hunter22, user: me", "password: •••, user: me"),
        ("aws_secret_access_key=abc/def== next", "aws_secret_access_key=••• next"),
        ('{"client_secret": "two words", "n": 3}', '{"client_secret": •••, "n": 3}'),
        ("passphrase='open sesame'", "passphrase=•••"),
        ("Authorization: Bearer abc.def.ghi", "Authorization: Bearer •••"),
        ("BlobEndpoint=x;AccountKey=abc==;", "BlobEndpoint=x;AccountKey=•••;"),
    ],
)
def test_urls_and_assigned_secrets_are_hidden(redactor, line, shown):
    assert redactor(line) == shown


@pytest.mark.parametrize(
    "line",
    [
        "Running stage 'train_encoder':",
        "> python -m hilander.stages.train_encoder",
        "epoch 3: loss 0.52, 1-NN 0.91, n_neighbors = 40",
        "tokens: 512, tokenizer: fast, in parallel",
        "it is true: keys = 12; passed: 3; reader",
        "the password was wrong",
        "1,200 items in data/secret-garden.parquet (https://host/docs)",
    ],
)
def test_ordinary_lines_stay_as_they_are(redactor, line):
    assert redactor(line) == line


def test_settings_that_cannot_be_read_are_left_to_dvc(tmp_path):
    (tmp_path / ".dvc").mkdir()
    (tmp_path / ".dvc/config").write_bytes(b"no section = \xff\n")
    assert Redactor(tmp_path)("token=abc") == "token=•••"
