"""What pyproject.toml asks for is what the code imports, what constraints.txt locks and what a Bento is given."""

import ast
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
OWN = {"hilander", "benchmarks"}
# Not imported, but asked for: bounds on what others of these import, and what comes to work by being installed.
UNSEEN = {"packaging", "fastapi", "dask"}
OF_THE_COMMAND_LINE_AND_DRIFT = {"typer", "evidently"}


def requirements(*extras):
    """By name, with those of the extras that an extra of ours names."""
    found = {}
    for text in [*PROJECT["dependencies"], *(text for extra in extras for text in extra)]:
        requirement = Requirement(text)
        if requirement.name == "hilander":
            found |= requirements(*(PROJECT["optional-dependencies"][extra] for extra in requirement.extras))
        else:
            found[canonicalize_name(requirement.name)] = requirement
    return found


def for_this_python(required):
    """Names of those that are not for other Pythons alone."""
    return {name for name, each in required.items() if each.marker is None or each.marker.evaluate()}


def imported():
    """The distributions that the package and the flows import, each module's: several share some, as `ruamel`."""
    modules = set()
    for path in [*ROOT.glob("src/**/*.py"), *ROOT.glob("flows/*.py")]:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                modules |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                modules.add(node.module.partition(".")[0])
    known = packages_distributions()
    not_here = set() if "dgl" in known else {"dgl"}  # of which there is no wheel for later Pythons than 3.11
    others = modules - OWN - not_here - set(sys.stdlib_module_names)
    return [set(map(canonicalize_name, known[module])) for module in others]


def test_what_is_imported_is_asked_for_and_what_is_asked_for_is_imported():
    """NetworkX and Prometheus' client came with DVC and BentoML, which may do without them one day."""
    extras = PROJECT["optional-dependencies"]
    asked = for_this_python(requirements(*(extras[extra] for extra in extras if extra != "dev")))
    assert [names for names in imported() if names.isdisjoint(asked)] == [{"aiohttp"}]  # of fsspec[http]
    assert asked - set().union(*imported()) == UNSEEN


def test_what_is_locked_is_within_the_bounds():
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").split()
    locked = {canonicalize_name(name): version for name, version in (line.split("==") for line in lines)}
    for name, requirement in requirements(*PROJECT["optional-dependencies"].values()).items():
        assert requirement.specifier.contains(locked[name]), requirement


def test_a_bento_is_given_what_the_service_asks_for():
    bento = yaml.safe_load((ROOT / "bentofile.yaml").read_text(encoding="utf-8"))["python"]["packages"]
    given = {canonicalize_name(each.name): each for each in map(Requirement, bento)}
    asked = requirements(PROJECT["optional-dependencies"]["serving"])
    assert given == {name: asked[name] for name in asked if name not in OF_THE_COMMAND_LINE_AND_DRIFT}
