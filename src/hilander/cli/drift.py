"""``hilander drift``: has what comes in drifted away from what the model in service was evaluated on?"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

DRIFTED = 3  # exit code
_MOST_HOURS = 1_000_000  # a hundred years and more


def drift(
    window: Annotated[str, typer.Argument(help="Embeddings (.npy, .npz, .parquet), or the folder or URL of captures.")],
    models: Annotated[Path, typer.Option(help="Folder of releases; the one in service is asked.")] = Path("models"),
    output: Annotated[Path, typer.Option("--output", "-o", help="Report to write.")] = Path("drift.html"),
    against: Annotated[
        str, typer.Option(help="catalogue: the evaluated items; or training: the training items.")
    ] = "catalogue",
    hours: Annotated[
        float | None, typer.Option(help="Of captures, only those of the last so many hours.", show_default=False)
    ] = None,
    model: Annotated[bool, typer.Option(help="Ask the model too how sure it is of the window.")] = True,
    as_json: Annotated[bool, typer.Option("--json", help="Print the verdict as JSON.")] = False,
) -> None:
    """Compare a window of embeddings with the reference of the release in service.

    Exit code 0: no drift. 3: drift. 1: the question could not be answered.

    Examples:

        hilander drift captures/ --hours 24 -o drift.html

        hilander drift new.npy --json
    """
    from hilander.batch.redaction import redact
    from hilander.cli.outputs import check_output_file
    from hilander.monitoring.drift import DriftMonitor
    from hilander.monitoring.drift.report import write_drift_report
    from hilander.releases import release_in_service, versions_of_same_encoder

    check_output_file(output, window)
    release = release_in_service(models)
    embeddings = _read(window, hours, versions_of_same_encoder(models, release))
    monitor = DriftMonitor.of_release(
        release, against=against, use_model=model, calibration_folder=models / "drift_calibration"
    )
    comparison = monitor.compare(embeddings, show_progress=not as_json)
    facts = {"Window": redact(window), "Release": release.version, "Compared with": f"its {against} items"}
    write_drift_report(output, comparison, facts=facts)
    verdict = comparison.verdict
    if as_json:
        typer.echo(verdict.to_json())
    else:
        typer.echo("Drift: " + " ".join(verdict.reasons) if verdict.drifted else verdict.reasons[0])
        typer.echo(f"report: {output.resolve()}")
    if verdict.drifted:
        raise typer.Exit(DRIFTED)


def _read(window: str, hours: float | None, versions: list[str]) -> NDArray[np.float32]:
    from datetime import UTC, datetime, timedelta

    from hilander.batch.redaction import redact
    from hilander.cli.inputs import load_embeddings
    from hilander.monitoring.capture import read_captures

    if hours is not None and not 0 < hours <= _MOST_HOURS:
        raise ValueError(f"--hours must be above 0 and at most {_MOST_HOURS:,}; got {hours:g}")
    if "://" not in window and not Path(window).exists():
        raise FileNotFoundError(
            f"expected embeddings, or a folder of captures, in {window}; found neither. The service captures what it "
            "is sent: is it running, and is capture.url in serving.yaml this folder?"
        )
    if "://" not in window and not Path(window).is_dir():
        if hours is not None:
            raise ValueError(f"--hours chooses among captures, but {window} is a file; leave it out")
        return load_embeddings(Path(window), None)[1]
    until = None if hours is None else datetime.now(UTC)
    since = None if until is None else until - timedelta(hours=hours or 0)
    captures = read_captures(window, since=since, until=until, model_version=versions)
    if not len(captures):
        period = "" if hours is None else f" of the last {hours:g} hours"
        raise ValueError(
            f"{redact(window)} holds no captures{period} that the release in service answered, or an earlier one with "
            "the same encoder"
        )
    return captures.embeddings
