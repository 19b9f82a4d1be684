"""What the documents say of each other, of the code and of what was measured."""

import json
import re
import tomllib
from pathlib import Path

import pytest

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
    ours, leiden = (shown("omniglot_alphabets", method, "acc") for method in ("hilander", "leiden"))
    assert f"its accuracy is {ours} (Leiden {leiden})" in readme
    ours, best = (shown("omniglot_uneven", method, "f_pairwise") for method in ("hilander", "infomap"))
    assert f"has F_P {ours} against {best} for the best baseline" in readme
