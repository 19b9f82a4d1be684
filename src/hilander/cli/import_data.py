"""``hilander import-data``: data of any readable format into the pipeline."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def import_data(
    source: Annotated[Path, typer.Argument(help="Image folder, Parquet, .npy, .npz, .bin + .meta, or official .pkl.")],
    target: Annotated[Path, typer.Argument(help="File to write: .parquet, or .npz for embeddings.")],
    format: Annotated[str, typer.Option(help="Format of the source, where its name does not tell.")] = "auto",
) -> None:
    """Bring data into a form that the pipeline and every command read.

    Examples:

        hilander import-data photos/ data/photos.parquet

        hilander import-data deepglint_train.pkl data/faces.npz
    """
    from hilander.cli.outputs import check_output_file, check_outside
    from hilander.data.write import check_dataset_suffix, import_dataset

    check_dataset_suffix(target)  # all before the source is read, which may take long
    check_output_file(target, source)
    check_outside(target, source)
    typer.echo(f"{import_dataset(source, target, format)} written to {target}")
