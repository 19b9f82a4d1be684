"""Stage ``validate``: stop here where the data are not fit to learn from."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from hilander.atomic_write import atomic_file
from hilander.config import load_params
from hilander.data import DataError, read_dataset, with_splits
from hilander.data.read import labels_file
from hilander.data.validation import validate_dataset

REPORT, DOCS = Path("reports/validation.json"), Path("reports/data_docs")


def main() -> None:
    """Validate the data of ``params.yaml``; write the counts and the Data Docs, or raise and keep the old counts."""
    params = load_params()
    if (labels := labels_file(params.data.path, params.data.format)) is not None:
        raise DataError(
            f"the labels of {params.data.path} lie in {labels}, where DVC would not see them change; set data.path to "
            "the folder that holds both, or make one file of them: hilander import-data"
        )
    dataset = with_splits(read_dataset(params.data.path, params.data.format), params.data)
    report = validate_dataset(dataset, params.validate, DOCS, show_progress=True)
    report.raise_for_failures()
    with atomic_file(REPORT) as temporary:
        temporary.write_text(
            json.dumps({"success": report.success, **report.counts}, indent=2) + "\n", encoding="utf-8"
        )


if __name__ == "__main__":
    try:
        main()
    except (ValueError, OSError, ImportError) as error:
        sys.exit(f"validate: {error}")
