"""What the documents say of each other, of the code and of what was measured, and what they show, run."""

import dataclasses
import json
import re
import tomllib
from pathlib import Path

import numpy as np
import pytest
import typer
import yaml

from hilander.cli import app
from hilander.config import Params, load_params
from hilander.data import read_dataset

ROOT = Path(__file__).parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("benchmarks/*.md")])


def prose(page):
    """The page without its blocks of code."""
    return re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)


def anchors(page):
    """What GitHub calls the headings of a page."""
    headings = re.findall(r"^#+ (.+)$", prose(page), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page):
    for link in re.findall(r"\]\((?!https?://)([^)\s]+)\)", prose(page)):
        path, _, anchor = link.partition("#")
        target = page.parent / path if path else page
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


def test_the_architecture_names_every_package_in_the_order_of_imports():
    """Those in brackets in the table stand beside the layers, not between them."""
    contract = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"]
    layers = [re.findall(r"\w+", layer) for layer in contract["contracts"][0]["layers"]]
    table = re.findall(r"^\| (`.+?) \|", prose(ROOT / "docs" / "architecture.md"), flags=re.MULTILINE)
    row_of = {name: row for row, cell in enumerate(table) for name in re.findall(r"`(\w+)`", cell)}
    assert {name for layer in layers for name in layer} - set(row_of) == set()
    lowest = -1
    for layer in layers:
        rows = [row_of[name] for name in layer if name != "reporting"]  # which stands beside the layers
        assert min(rows) >= lowest, layer
        lowest = max(rows)


def test_the_readme_says_what_was_measured():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    figures = {
        name: json.loads((ROOT / "benchmarks" / "results" / f"{name}.json").read_text(encoding="utf-8"))["figures"]
        for name in ("omniglot", "quality")
    }

    def shown(bed, method, metric):
        value = figures["omniglot" if bed == "omniglot_all" else "quality"][f"{bed}.{method}.{metric}"]
        return f"{value:.3f}".removeprefix("0")

    bare = readme.replace("*", "")
    for method, title in (("hilander", "hilander"), ("infomap", "Infomap"), ("hdbscan", "HDBSCAN")):
        cells = [shown("omniglot_all", method, metric) for metric in ("f_pairwise", "f_bcubed", "nmi")]
        assert f"| {title} | {' | '.join(cells)} |" in bare
    ours = [shown("omniglot_self_trained", "hilander", metric) for metric in ("f_pairwise", "f_bcubed")]
    assert f"F_P is {ours[0]} and F_B {ours[1]}" in readme
    ours, leiden = (shown("omniglot_alphabets", method, "acc") for method in ("hilander", "leiden"))
    assert f"its accuracy is {ours} (Leiden {leiden})" in readme
    baselines = ("hac_average", "hac_ward", "hdbscan", "chinese_whispers", "leiden", "infomap")
    best = max(shown("omniglot_uneven", method, "f_pairwise") for method in baselines)
    ours = shown("omniglot_uneven", "hilander", "f_pairwise")
    assert f"has F_P {ours} against {best} for the best baseline" in readme


def blocks(page, language):
    """The page's blocks of code in that language."""
    return re.findall(rf"^```{language}\n(.*?)^```", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)


def test_commands_have_the_options_that_the_pages_give_them():
    """Of lines of code up to their comment, and of what stands between backticks."""
    program = typer.main.get_command(app)
    shown = 0
    for page in PAGES:
        listed = "".join(blocks(page, r"\w*"))
        commands = re.findall(r"^(?:\$ )?hilander ([a-z][a-z-]*)([^#\n]*)", listed, flags=re.MULTILINE)
        commands += re.findall(r"`hilander ([a-z][a-z-]*)([^`]*)`", prose(page))
        for command, rest in commands:
            assert command in program.commands, f"{page.name}: hilander {command}"
            options = {option for parameter in program.commands[command].params for option in parameter.opts}
            given = set(re.findall(r"(?<!\S)--?[a-z][\w-]*", rest))
            assert given <= options, f"{page.name}: hilander {command}"
            shown += len(given)
    assert shown > 10


@pytest.mark.parametrize("page", ["README.md", "docs/data.md", "docs/encoder.md"])
def test_parameters_that_a_page_shows_are_understood(page, tmp_path):
    shown = blocks(ROOT / page, "yaml")
    assert shown
    for block in shown:
        (tmp_path / "params.yaml").write_text(block, encoding="utf-8")
        load_params(tmp_path / "params.yaml")


@pytest.mark.parametrize(
    ("page", "name", "of_others"),
    [("docs/data.md", "data", set()), ("docs/encoder.md", "encoder", {"path", "pixel_mean", "pixel_std"})],
)
def test_pages_that_list_all_parameters_show_their_defaults(page, name, of_others):
    listed = max((yaml.safe_load(block).get(name, {}) for block in blocks(ROOT / page, "yaml")), key=len)
    defaults = dataclasses.asdict(getattr(Params(), name))
    expected = {key: value for key, value in defaults.items() if key not in of_others}
    assert {key: tuple(value) if isinstance(value, list) else value for key, value in listed.items()} == expected


def test_data_are_read_as_the_page_writes_them(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data").mkdir()
    vectors = np.random.default_rng(0).normal(size=(20, 4)).astype(np.float32)
    labels = np.repeat(["lynx", "tabby", "serval", "caracal"], 5)
    splits = np.repeat(["train", "test"], 10)
    known = {"vectors": vectors, "embeddings": vectors, "labels": labels, "species": labels, "splits": splits}
    known |= {"part": splits, "ids": np.arange(20).astype(str), "np": np}
    known |= {"a": vectors[:10], "la": labels[:10], "b": vectors[10:], "lb": labels[10:]}
    read = []
    writing = [block for block in blocks(ROOT / "docs" / "data.md", "python") if '"data/' in block]
    for line in "".join(writing).splitlines():
        exec(line, known)
        if written := re.search(r'"(data/\w+\.\w+)"', line):
            name = written[1].replace("_labels", "")
            dataset = read_dataset(name)
            np.testing.assert_array_equal(dataset.embeddings, vectors)
            read.append((name, dataset.labels is not None, dataset.splits is not None))
    assert read == [
        ("data/birds.parquet", True, True),
        ("data/faces.npy", False, False),
        ("data/faces.npy", True, False),
        ("data/faces.npz", True, True),
        ("data/faces.npz", True, True),
    ]
