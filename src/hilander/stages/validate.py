"""Stage ``validate``: stop here where the data are not fit to learn from."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np

from hilander.atomic_write import atomic_file
from hilander.config import DataParams
from hilander.data import DataError, Dataset, read_dataset, with_splits
from hilander.data.errors import some
from hilander.data.read import labels_file
from hilander.data.validation import validate_dataset
from hilander.stages.inputs import Inputs

REPORT, DOCS = Path("reports/validation.json"), Path("reports/data_docs")


def main() -> None:
    """Validate the data of ``params.yaml``; write the counts and the Data Docs, or raise and keep the old counts."""
    inputs = Inputs("data", "validate")
    params = inputs.params
    if (labels := labels_file(params.data.path, params.data.format)) is not None:
        raise DataError(
            f"the labels of {params.data.path} lie in {labels}, where DVC would not see them change; set data.path to "
            "the folder that holds both, or make one file of them: hilander import-data"
        )
    dataset = _of_the_two_splits(read_dataset(params.data.path, params.data.format), params.data)
    report = validate_dataset(dataset, params.validate, DOCS, show_progress=True)
    report.raise_for_failures()
    inputs.check_unchanged()
    with atomic_file(REPORT) as temporary:
        temporary.write_text(
            json.dumps({"success": report.success, **report.counts}, indent=2) + "\n", encoding="utf-8"
        )


def _of_the_two_splits(dataset: Dataset, params: DataParams) -> Dataset:
    """Return the items that later stages read: refuse items without a split, and tell of those of other splits."""
    if dataset.splits is None:
        return with_splits(dataset, params)
    if (dataset.splits == "").any() and (dataset.splits != "").any():
        raise DataError(
            f"items without a split, beside others that have one: {some(dataset.ids[dataset.splits == ''])}; name a "
            "split for each, or for none"
        )
    kept = with_splits(dataset, params)
    if n_left_out := len(dataset) - len(kept):
        others = np.setdiff1d(dataset.splits, [params.train_split, params.test_split])
        print(f"{n_left_out:,} of {len(dataset):,} items are of other splits and are left out: {some(others)}")
    return kept


if __name__ == "__main__":
    try:
        main()
    except (ValueError, OSError, ImportError) as error:
        sys.exit(f"validate: {error}")
