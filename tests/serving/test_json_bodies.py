"""JSON of any shape and size gets an answer, and little of it is read where it is too much."""

import gc
import json

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hilander.serving.configuration import Limits
from hilander.serving.embeddings_body import read_embeddings
from hilander.serving.options import CLUSTER_OPTIONS, check_options
from hilander.serving.refusals import Refusal

JSON = "application/json"
numbers = st.one_of(st.floats(), st.integers(), st.booleans(), st.none(), st.text(max_size=3))


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(value=st.recursive(numbers, lambda inner: st.lists(inner, max_size=9), max_leaves=80))
def test_any_json_gets_an_answer_below_500(client, value):
    for path in ("/cluster", "/assign"):
        answer = client.post(path, content=json.dumps({"embeddings": value}), headers={"Content-Type": JSON})
        assert answer.status_code < 500, answer.text


@pytest.mark.parametrize("item", ["[]", "{}", "[1]"])
def test_no_millions_of_lists_are_made_to_be_counted(make, item):
    """While Python makes them, the worker answers nobody, not even its probes."""
    many = f"[{','.join([item] * 10**6)}]".encode()
    form = httpx.Request("POST", "http://x", files={"file": make.npy(make.blobs(3)), "cannot_link": many})
    content = bytearray(form.read())
    before = gc.get_stats()[0]["collections"]
    with pytest.raises(Refusal, match="200,000 rows") as whole:
        read_embeddings(bytearray(b'{"embeddings": ' + many + b"}"), JSON, Limits())
    with pytest.raises(Refusal, match="200,000 pairs") as beside:
        check_options(read_embeddings(content, form.headers["Content-Type"], Limits())[1], CLUSTER_OPTIONS, Limits())
    assert gc.get_stats()[0]["collections"] - before < 100
    assert (whole.value.status, beside.value.status) == (413, 413)


def test_pairs_as_json_have_the_limit_of_json(client, make):
    files = {"file": make.npy(make.blobs(3)), "must_link": "[[0, 1]]" + " " * 60_001}
    answer = client.post("/cluster", files=files)
    assert answer.status_code == 413
    assert "60,000 bytes" in answer.json()["error"]
