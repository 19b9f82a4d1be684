"""Is this data fit to learn from: a Great Expectations suite over a table of facts, with Data Docs to look at."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from types import ModuleType
from typing import Any

import pandas as pd

from hilander.atomic_write import atomic_folder
from hilander.config import ValidateParams
from hilander.data.dataset import Dataset
from hilander.data.errors import DataError, some
from hilander.data.item_table import item_table, split_table

# Which columns name the rows of a table.
_NAMED_BY = {"items": ["id", "label"], "splits": ["split"]}


@dataclass(frozen=True)
class ValidationReport:
    """What validation found.

    Parameters
    ----------
    counts : dict
        Items and classes of each split, near-empty and duplicate items, expectations checked.
    failures : tuple of str
        One sentence per expectation that the data break, naming the rows.
    docs : Path
        Folder of the Data Docs.
    """

    counts: dict[str, Any]
    failures: tuple[str, ...]
    docs: Path

    @property
    def success(self) -> bool:
        """Whether the data keep every expectation."""
        return not self.failures

    def raise_for_failures(self) -> None:
        """Raise `DataError` with all sentences where the data break an expectation."""
        if self.failures:
            sentences = "\n".join(f"- {sentence}" for sentence in self.failures)
            raise DataError(
                f"the data break what is expected of them:\n{sentences}\nAll of it is in {self.docs / 'index.html'}"
            )


def validate_dataset(
    dataset: Dataset, params: ValidateParams, docs_folder: str | Path, show_progress: bool = False
) -> ValidationReport:
    """Check `dataset`, and write Great Expectations' Data Docs (``index.html``) into `docs_folder`.

    Checked: unique ids; labels present; readable images, or finite non-zero vectors (of one width, else they would be
    no dataset); no content and no class in two splits; enough classes, and items per class, in each split; few
    near-empty and few duplicate items.

    Parameters
    ----------
    dataset : Dataset
        With splits; see `hilander.data.with_splits`.
    params : ValidateParams
        Floors and ceilings.
    docs_folder : str or Path
        Replaced whole, whether or not the data pass. Its pages load their looks from the web, and are plain offline.
    show_progress : bool
        Draw a progress bar of the images that are looked at.

    Raises
    ------
    ImportError
        Great Expectations is not installed.
    DataError
        The dataset is empty or has no splits. Broken expectations are not raised here but reported.
    """
    if not len(dataset):
        raise DataError("expected at least one item to validate, got none")
    gx = _great_expectations()
    items = item_table(dataset, show_progress)
    tables = {"items": items, "splits": split_table(items)}
    suites = {
        "items": _item_expectations(gx.expectations, items, params),
        "splits": _split_expectations(gx.expectations, params),
    }
    with atomic_folder(docs_folder) as docs:
        results = _run(gx, tables, suites, docs)
    counts = {
        "items": len(items),
        "near_empty": int(items.get("near_empty", pd.Series(dtype=bool)).sum()),
        "duplicates": int(items["duplicate"].sum()),
        "splits": {
            row.pop("split"): row for row in tables["splits"].round({"items_per_class": 2}).to_dict(orient="records")
        },
        "expectations": len(results),
    }
    return ValidationReport(
        counts, tuple(_sentence(result) for result in results if not result.success), Path(docs_folder)
    )


def _item_expectations(gxe: ModuleType, items: pd.DataFrame, params: ValidateParams) -> list[Any]:
    def all_but(share: float, column: str, value: bool, problem: str) -> Any:
        if share:
            problem += f", more than a share of {share} (params.yaml, validate: max_{column}_share)"
        mostly = float(1 - Decimal(str(share)))  # 1 − 0.7 in binary is more than 0.3
        return gxe.ExpectColumnValuesToBeInSet(
            column=column, value_set=[value], mostly=mostly, meta=_meta(problem, "id")
        )

    def one_split(column: str, problem: str, name_by: str) -> Any:
        return gxe.ExpectColumnValuesToBeBetween(column=column, max_value=1, meta=_meta(problem, name_by))

    expectations = [
        gxe.ExpectColumnValuesToBeUnique(column="id", meta=_meta("ids given more than once", "id")),
        gxe.ExpectColumnValuesToNotBeNull(column="label", meta=_meta("items without a label", "id")),
        one_split("splits_with_label", "classes with items in two splits", "label"),
        one_split("splits_with_content", "items whose content is in two splits", "id"),
        all_but(params.max_duplicate_share, "duplicate", False, "duplicates of an earlier item"),
    ]
    if "readable" in items:
        return [
            *expectations,
            all_but(0, "readable", True, "images that cannot be read, damaged or cut short"),
            all_but(params.max_near_empty_share, "near_empty", False, "near-empty images"),
        ]
    return [
        *expectations,
        all_but(0, "finite", True, "vectors with NaN or inf"),
        gxe.ExpectColumnValuesToBeBetween(
            column="norm", min_value=0, strict_min=True, meta=_meta("zero vectors", "id")
        ),
    ]


def _split_expectations(gxe: ModuleType, params: ValidateParams) -> list[Any]:
    floors = {
        "n_classes": (params.min_classes, "fewer classes than {} (params.yaml, validate: min_classes)"),
        "items_per_class": (
            params.min_items_per_class,
            "fewer items per class on average than {} (params.yaml, validate: min_items_per_class)",
        ),
    }
    return [
        gxe.ExpectColumnValuesToBeBetween(
            column=column, min_value=floor, meta=_meta("splits with " + problem.format(floor), "split")
        )
        for column, (floor, problem) in floors.items()
    ]


def _meta(problem: str, name_by: str) -> dict[str, str]:
    """Say what the rows that break an expectation are, and by which column they are named."""
    return {"problem": problem, "name_by": name_by}


def _run(gx: ModuleType, tables: Mapping[str, pd.DataFrame], suites: Mapping[str, list[Any]], docs: Path) -> list[Any]:
    """Run each suite over its table, build the Data Docs, and return the result of every expectation."""
    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = {"globally": False}
    context.add_data_docs_site(
        site_name="local",
        site_config={
            "class_name": "SiteBuilder",
            "store_backend": {"class_name": "TupleFilesystemStoreBackend", "base_directory": str(docs.resolve())},
            "site_index_builder": {"class_name": "DefaultSiteIndexBuilder"},
        },
    )
    source = context.data_sources.add_pandas("data")
    results = []
    for name, table in tables.items():
        suite = context.suites.add(gx.ExpectationSuite(name=name, expectations=suites[name]))
        batch = source.add_dataframe_asset(name).add_batch_definition_whole_dataframe("all")
        definition = gx.ValidationDefinition(name=name, data=batch, suite=suite)
        checkpoint = gx.Checkpoint(
            name=name,
            validation_definitions=[context.validation_definitions.add(definition)],
            actions=[gx.checkpoint.UpdateDataDocsAction(name="docs", site_names=["local"])],
            result_format={"result_format": "COMPLETE", "unexpected_index_column_names": _NAMED_BY[name]},
        )
        (outcome,) = checkpoint.run(batch_parameters={"dataframe": table}).run_results.values()
        results += outcome.results
    return results


def _sentence(result: Any) -> str:
    """Say what is wrong, with which rows, and how many."""
    meta = result.expectation_config.meta
    if result.exception_info.get("raised_exception"):
        return f"{meta['problem']}: could not be checked, {result.exception_info['exception_message']}"
    named = dict.fromkeys(row[meta["name_by"]] for row in result.result["unexpected_index_list"])
    return f"{meta['problem']}: {some(named)}"


def _great_expectations() -> ModuleType:
    """Import Great Expectations: late, since it takes seconds, and with its telemetry off."""
    os.environ.setdefault("GX_ANALYTICS_ENABLED", "false")
    try:
        import great_expectations
        import great_expectations.expectations
    except ImportError as error:
        raise ImportError("validation needs Great Expectations: pip install 'hilander[pipeline]'") from error
    return great_expectations
