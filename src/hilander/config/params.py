"""``params.yaml`` as a whole: read, checked, complete."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from hilander.allowed_values import check_values
from hilander.config.data import DataParams, GraphParams, ValidateParams
from hilander.config.encoder import EncodeParams, EncoderParams
from hilander.config.evaluation import EvaluateParams, GateParams, MonitorParams
from hilander.config.lander import LanderParams
from hilander.typed_mapping import ConfigError, from_mapping, read_yaml


@dataclass(frozen=True)
class Params:
    """All blocks of ``params.yaml``."""

    data: DataParams = field(default_factory=DataParams)
    validate: ValidateParams = field(default_factory=ValidateParams)
    encoder: EncoderParams = field(default_factory=EncoderParams)
    encode: EncodeParams = field(default_factory=EncodeParams)
    graph: GraphParams = field(default_factory=GraphParams)
    lander: LanderParams = field(default_factory=LanderParams)
    evaluate: EvaluateParams = field(default_factory=EvaluateParams)
    gate: GateParams = field(default_factory=GateParams)
    monitor: MonitorParams = field(default_factory=MonitorParams)


def load_params(path: str | Path = "params.yaml") -> Params:
    """Read and check ``params.yaml``; keys left out take their defaults.

    Raises
    ------
    FileNotFoundError
        No such file.
    ConfigError
        The file is not YAML in UTF-8, a key is unknown or comes twice, a value has another type than its default or is
        out of its range, or a name is unknown.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"expected parameters in {path}, found no such file; run in the folder that holds it")
    params = from_mapping(Params, read_yaml(path), where=str(path))
    check_params(params, str(path))
    return params


def check_params(params: Params, where: str) -> None:
    """Check every number against its range, every name, and the numbers that only make sense together.

    Parameters
    ----------
    params : Params
    where : str
        What an error calls the place that they come from.

    Raises
    ------
    ConfigError
        A number is out of its range, or nothing is called so.
    """
    check_values(params, f"{where}: ")
    monitor = params.monitor
    if monitor.max_rows < monitor.min_rows:
        raise ConfigError(
            f"{where}: monitor.max_rows must be at least monitor.min_rows ({monitor.min_rows:,}), since no verdict is "
            f"reached on fewer; got {monitor.max_rows:,}"
        )
