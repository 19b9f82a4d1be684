"""Typed view of ``params.yaml``: one block per pipeline stage, an unknown key is an error."""

from hilander.config.data import DataParams, GraphParams, ValidateParams
from hilander.config.encoder import EncodeParams, EncoderParams, NetworkParams
from hilander.config.evaluation import EvaluateParams, GateParams, MonitorParams
from hilander.config.lander import LanderParams, PublishedParams, RelationalParams
from hilander.config.params import Params, check_params, load_params
from hilander.config.self_training import SelfTrainingParams

__all__ = [
    "DataParams",
    "EncodeParams",
    "EncoderParams",
    "EvaluateParams",
    "GateParams",
    "GraphParams",
    "LanderParams",
    "MonitorParams",
    "NetworkParams",
    "Params",
    "PublishedParams",
    "RelationalParams",
    "SelfTrainingParams",
    "ValidateParams",
    "check_params",
    "load_params",
]
