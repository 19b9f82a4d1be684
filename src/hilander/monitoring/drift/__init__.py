"""Has what comes in drifted away from what the model was evaluated on?"""

from hilander.monitoring.drift.monitor import Comparison, DriftMonitor, TooFewRows
from hilander.monitoring.drift.settings import DriftSettings
from hilander.monitoring.drift.verdict import Statistic, Verdict

__all__ = ["Comparison", "DriftMonitor", "DriftSettings", "Statistic", "TooFewRows", "Verdict"]
