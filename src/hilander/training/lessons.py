"""What RelationalLander learns from: parts of the graphs of many sets, and in which order they come."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import count, cycle

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from tqdm import tqdm

from hilander.config import RelationalParams
from hilander.training.connected_batches import Batch, LabelledGraph, connected_batches, mixed_batches
from hilander.training.labelled_set import LabelledSet

_SETS_PER_SAMPLE = 16  # of the features; of more sets not every edge is looked at
_EDGES_PER_SAMPLE = 1 << 17  # of one level at least, where there are as many: enough to standardise by
_VIEWS_SHARE = 3  # of so many parts of a set's graphs, one of a view's
_MOST_EDGES_OF_VIEWS = 100_000  # of one part: where views are a tangle, the neighbours of a core are most of the graph


@dataclass(frozen=True)
class Run:
    """What the trainings of all networks of a model have in common."""

    params: RelationalParams
    random_state: int
    device: torch.device
    show_progress: bool
    mixed: bool

    def over(self, sets: Sequence[LabelledSet], what: str) -> Iterable[LabelledSet]:
        """Go through the sets behind a progress bar that goes when it is full: large ones take minutes each."""
        return tqdm(sets, desc=what, unit="set", disable=not self.show_progress, leave=False)


class Lessons:
    """Parts of the graphs that one network learns from, level after level, and a sample of the levels' features.

    The graphs themselves are not kept: those of many sets would fill the memory.

    Parameters
    ----------
    run : Run
    n_sets : int
        How many sets there are.
    """

    def __init__(self, run: Run, n_sets: int) -> None:
        self._run = run
        self._rng = np.random.default_rng(run.random_state)
        self._every = 1 + n_sets // _SETS_PER_SAMPLE
        self._features: list[NDArray[np.float32]] = []
        self._of_sets: list[list[Batch]] = []
        self._of_views: list[list[Batch]] = []

    def add(self, level: LabelledGraph, of: LabelledSet) -> None:
        """Cut parts out of one more level of a set."""
        params = self._run.params
        n_cores, max_edges = params.n_cores, None
        if of.is_view:
            n_cores, max_edges = max(n_cores // _VIEWS_SHARE, 1), _MOST_EDGES_OF_VIEWS
        n_edges = len(level.graph.edges)
        sample = np.arange(0, n_edges, max(self._every, n_edges // _EDGES_PER_SAMPLE))
        self._features.append(level.graph.features_of(sample))
        levels = self._of_views if of.is_view else self._of_sets
        parts = connected_batches(level, n_cores, params.core_size, self._rng, self._run.device, max_edges)
        levels.append(parts)

    def n_parts(self) -> int:
        """Return the number of parts of all levels."""
        return sum(len(level) for level in (*self._of_sets, *self._of_views))

    def features(self) -> Tensor:
        """Return features of the levels, to standardise by."""
        return torch.from_numpy(np.concatenate(self._features))

    def batches(self) -> Iterator[Batch]:
        """Yield parts without end: of one level after the other by turns, or of all at random.

        Every other one is of a view, where there are some.
        """
        if self._run.mixed:
            parts = [batch for level in (*self._of_sets, *self._of_views) for batch in level]
            for turn in count():  # put together anew each time: kept, they would take as much memory as the parts
                yield from mixed_batches(parts, (self._run.random_state, turn))
        sets, views = (cycle([cycle(level) for level in levels]) for levels in (self._of_sets, self._of_views))
        while True:
            yield next(next(sets))
            if self._of_views:
                yield next(next(views))
