"""Who is let in, and what gets out when something breaks."""

import hashlib
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from starlette.responses import PlainTextResponse
from starlette.testclient import TestClient

from hilander.serving.configuration import Security, Token, load_configuration
from hilander.serving.gate import Gate
from hilander.serving.tokens import Tokens, token_digest
from hilander.typed_mapping import ConfigError

ALICE, BOB = (Token(name, token_digest(name)) for name in ("alice", "bob"))


async def app(scope, receive, send):
    if scope["path"] == "/broken":
        raise RuntimeError("secret detail")
    if scope["path"] == "/silent":  # as BentoML's timeout, where one of its own endpoints failed
        return
    if scope["path"] == "/other":
        return await PlainTextResponse("secret detail", 500)(scope, receive, send)
    await PlainTextResponse("in")(scope, receive, send)


def client_of(tokens, address="192.0.2.1"):
    gate = Gate(app, {"/here", "/broken", "/silent", "/other", "/livez"}, lambda: tokens)
    return TestClient(gate, client=(address, 1), raise_server_exceptions=False)


@pytest.mark.parametrize(
    ("header", "status"),
    [
        ("Bearer alice", 200),
        ("bearer bob", 200),
        ("Bearer carol", 401),
        ("Bearer ", 401),
        ("Basic alice", 401),
        ("alice", 401),
        (f"Bearer {ALICE.sha256}", 401),
        (None, 401),
    ],
)
def test_only_known_tokens_get_in(header, status):
    client = client_of(Tokens(Security((ALICE, BOB))))
    answer = client.get("/here", headers={} if header is None else {"Authorization": header})
    assert answer.status_code == status
    assert status == 200 or "Authorization" in answer.json()["error"]


def test_without_tokens_nobody_gets_in_and_probes_need_none():
    client = client_of(Tokens(Security()))
    assert client.get("/here").status_code == 401
    assert client.get("/nowhere").status_code == 401
    assert client.get("/livez").status_code == 200


@pytest.mark.parametrize(
    ("is_open", "address", "headers", "status"),
    [
        (True, "127.0.0.1", {}, 200),
        (True, "::1", {}, 200),
        (True, "192.0.2.1", {}, 401),
        (True, "127.0.0.1", {"X-Forwarded-For": "192.0.2.1"}, 401),
        (True, "127.0.0.1", {"X-Forwarded-Proto": "https"}, 401),
        (True, "127.0.0.1", {"Via": "1.1 cache.example"}, 401),
        (True, "unix", {}, 401),
        (False, "127.0.0.1", {}, 401),
    ],
)
def test_loopback_is_open_only_when_said_so_and_not_through_a_proxy_that_says_so(is_open, address, headers, status):
    client = client_of(Tokens(Security(open_on_loopback=is_open)), address)
    assert client.get("/here", headers={"Host": "localhost:3000", **headers}).status_code == status


@pytest.mark.parametrize(
    ("headers", "refused"),
    [
        ({"Host": "127.0.0.1:3000"}, None),
        ({"Host": "[::1]:3000", "Origin": "http://[::1]:3000"}, None),
        ({"Host": "LocalHost", "Origin": "http://localhost:8000"}, None),
        ({"Host": "0.0.0.0:3000"}, None),
        ({"Host": "rebound.example:3000"}, "Host"),
        ({"Host": "localhost.example"}, "Host"),
        ({"Host": "127.0.0.1.example:3000"}, "Host"),
        ({"Host": "192.0.2.1"}, "Host"),
        ({"Host": "["}, "Host"),
        ({"Host": "localhost", "Origin": "https://site.example"}, "Origin"),
        ({"Host": "localhost", "Origin": "http://localhost@site.example"}, "Origin"),
        ({"Host": "localhost", "Origin": "null"}, "Origin"),
    ],
)
def test_loopback_is_open_to_no_page_of_another_site(headers, refused):
    client = client_of(Tokens(Security((ALICE,), open_on_loopback=True)), "127.0.0.1")
    answer = client.post("/here", headers=headers)
    assert answer.status_code == (403 if refused else 200)
    assert refused is None or f"the header {refused} must name this machine" in answer.json()["error"]
    assert client.post("/here", headers={**headers, "Authorization": "Bearer alice"}).status_code == 200


def test_a_token_is_revoked_by_taking_it_out_of_the_file(make, tmp_path):
    path = make.configuration(tmp_path)
    tokens = Tokens(load_configuration(path).security, path)
    assert tokens.owner(make.token) == "tests"
    make.configuration(tmp_path, security={"tokens": []})
    assert tokens.owner(make.token) is None
    for broken in ("security: [", "security:\n  tokens:\n    - name: carol\n", "security: 3"):  # lets nobody in
        make.configuration(tmp_path)
        assert tokens.owner(make.token) == "tests"
        path.write_text(broken)
        assert tokens.owner(make.token) is None
        assert tokens.owner(make.token) is None  # nor does a second request
    make.configuration(tmp_path)
    assert tokens.owner(make.token) == "tests"


def test_unknown_paths_end_at_the_gate_and_errors_say_nothing_of_the_inside():
    client = client_of(Tokens(Security((ALICE,))))
    headers = {"Authorization": "Bearer alice"}
    assert client.get("/here", headers=headers).text == "in"
    assert client.get("/nowhere", headers=headers).status_code == 404
    for path in ("/broken", "/silent", "/other"):
        broken = client.get(path, headers=headers)
        assert broken.status_code == 500
        assert set(broken.json()) == {"error"}
        assert "secret" not in broken.text


def test_a_new_token_is_printed_once_and_only_its_hash_is_configured():
    printed = subprocess.run(
        [sys.executable, "-m", "hilander.serving.tokens", "carol"], capture_output=True, text=True, check=True
    ).stdout
    token, digest = re.search(r"alone: (\S+)", printed)[1], printed.split()[-1]
    assert hashlib.sha256(token.encode()).hexdigest() == digest


@pytest.mark.parametrize("name", ["carol", "42", "Ana: her laptop #2, é"])
def test_the_printed_lines_of_a_new_token_fit_into_the_file_as_it_comes(tmp_path, name):
    """Of the owner 42, to YAML a number, they made a file that let nobody in any more."""
    printed = subprocess.run(
        [sys.executable, "-m", "hilander.serving.tokens", name], capture_output=True, text=True, check=True
    ).stdout
    _, told, *lines = printed.splitlines()
    as_it_comes = (Path(__file__).parents[2] / "serving.yaml").read_text(encoding="utf-8")
    assert as_it_comes.count("  tokens: []") == 1
    assert "take out the []" in told
    path = tmp_path / "serving.yaml"
    path.write_text(as_it_comes.replace("  tokens: []", "\n".join(["  tokens:", *lines]) + "\n   "), encoding="utf-8")
    tokens = Tokens(load_configuration(path).security, path)
    assert tokens.owner(re.search(r"alone: (\S+)", printed)[1]) == name

    path.write_text(path.read_text(encoding="utf-8").replace("\n".join(lines), ""), encoding="utf-8")  # revoked
    assert tokens.owner(re.search(r"alone: (\S+)", printed)[1]) is None
    assert tokens.current().open_on_loopback  # the rest of the file holds on


def test_a_configuration_that_is_not_understood_is_an_error(tmp_path):
    for text in ("limit: {}", "limits: {max_rows: many}", "security: {tokens: [{name: a, sha256: secret}]}"):
        path = tmp_path / "serving.yaml"
        path.write_text(text)
        with pytest.raises(ConfigError, match=r"limit|max_rows|64 hexadecimal"):
            load_configuration(path)
    with pytest.raises(FileNotFoundError):
        load_configuration(tmp_path / "none.yaml")


def test_a_file_that_is_emptied_and_written_within_one_tick_of_the_clock_is_read_to_its_end(make, tmp_path):
    path = make.configuration(tmp_path)
    whole, tokens = path.read_text(), Tokens(load_configuration(path).security, path)
    for content, owner in (("", None), (whole, "tests")):
        path.write_text(content)
        os.utime(path, ns=(1, 1))
        assert tokens.owner(make.token) == owner
