"""A small network that corrects the linkage of items by what is usual in their set."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from hilander.graph.linkage_context import LINKAGE_CONTEXT, LinkageContext
from hilander.graph.threads import by_threads, use_one_core
from hilander.nn.linear import Linear
from hilander.nn.standardized_inputs import StandardizedInputs
from hilander.paged_arrays import let_go

LARGEST_INPUT = 4.0  # standard deviations


class ContextNetwork(StandardizedInputs):
    """Predict the linkage anew from the one that RelationalLander predicts and from `LinkageContext`.

    RelationalLander sees a part of the graph and cannot know what is usual elsewhere in it. This one adds to its logit
    what a perceptron makes of how the numbers of mates of both ends compare with those of all items: nothing, before
    it is trained.

    Parameters
    ----------
    n_features : int
        Width of the context; its first column is the logit.
    width : int
        Width of both hidden layers.
    """

    def __init__(self, n_features: int = len(LINKAGE_CONTEXT), *, width: int = 32) -> None:
        super().__init__(n_features, largest=LARGEST_INPUT)
        self.settings = {"n_features": n_features, "width": width}
        last = nn.Linear(width, 1, dtype=torch.float32)
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)
        self.layers = nn.Sequential(Linear(n_features, width), nn.ReLU(), Linear(width, width), nn.ReLU(), last)

    def forward(self, context: Tensor, noise: Tensor | float = 0.0) -> Tensor:
        """Return the corrected logits.

        Parameters
        ----------
        context : Tensor of shape (m, n_features), float32
        noise : Tensor of shape (m, n_features), optional
            Added to the standardised inputs, in training.

        Returns
        -------
        Tensor of shape (m,), float32
        """
        context = context[:, : self.n_features]  # trained before the last of them was known: on the first ones
        return context[:, 0] + self.layers(self.standardize(context) + noise)[:, 0]

    def correct(self, linkage: NDArray[np.float32], edges: NDArray[np.int64], n_nodes: int) -> NDArray[np.float32]:
        """Return the linkage (m,) of all edges of a set of items, corrected.

        Parameters
        ----------
        linkage, edges, n_nodes
            See `LinkageContext`.
        """
        context = LinkageContext(linkage, edges, n_nodes)
        corrected, chunks, device = np.empty_like(linkage), list(context.chunks()), self.feature_mean.device

        @torch.inference_mode()
        def fill(part: slice) -> None:
            for rows in chunks[part]:
                corrected[rows] = self(torch.from_numpy(context[rows]).to(device)).sigmoid().cpu().numpy()
            let_go(edges)

        by_threads(fill, len(chunks), 1, prepare_thread=use_one_core)
        return corrected
