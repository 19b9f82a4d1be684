import hashlib
import json
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
STORE = ROOT / "dvcstore" / "files" / "md5"


def test_the_committed_store_holds_the_one_version_that_the_pointer_names():
    pointer = yaml.safe_load((ROOT / "data.dvc").read_text())["outs"][0]
    if not pointer["md5"].endswith(".dir") or not STORE.is_dir():
        pytest.skip("data.dvc points at data of your own, kept in another remote")
    listing = STORE / pointer["md5"][:2] / pointer["md5"][2:]
    named = {STORE / file["md5"][:2] / file["md5"][2:] for file in json.loads(listing.read_text())}
    assert {path for path in STORE.rglob("*") if path.is_file()} == named | {listing}
    for path in named:
        assert hashlib.md5(path.read_bytes()).hexdigest() == path.parent.name + path.name
    assert sum(path.stat().st_size for path in named) < 8 * 2**20
