"""LANDER: one network that predicts for every edge whether it links two of a kind and for every node its density."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor, nn

from hilander.graph.in_edges import InEdges
from hilander.nn.convolution import CONVOLUTIONS, AttentionConvolution, MeanConvolution
from hilander.nn.lander_inference import link_edges, project_nodes
from hilander.nn.linear import Linear
from hilander.nn.prelu import prelu, prelu_of_ends

_EDGES_PER_CHUNK = 1 << 17  # bounds the hidden features of edges at inference on a GPU


class Lander(nn.Module):
    """Link approximation and density estimation refinement (Xing et al. 2021, section 3.2).

    Parameters
    ----------
    n_features : int
        Width of a node's input: twice the embeddings' width, ``[f_i ; c_i]``, where cluster features are used.
    hidden_features : int
        Width of the convolutions; edges are classified at half of it.
    n_convolutions : int
        Rounds of message passing, 1 to 4.
    convolution : {"mean", "attention"}
    n_heads : int
        Heads of the attention.
    dropout : float
    n_edge_features : int
        Width of optional features of edges that join the linkage head.

    Notes
    -----
    ``logits_ij = MLP(PReLU(W_s h_j + W_d h_i [+ W_e e_ij]))``; ``p_ij = softmax(logits_ij)[1]``;
    ``d̂_i = 1/k Σ_j a_ij (p_ij − (1 − p_ij))``. W_s and W_d act on nodes, never on edges.
    """

    def __init__(
        self,
        n_features: int,
        hidden_features: int = 512,
        n_convolutions: int = 1,
        convolution: str = "mean",
        n_heads: int = 1,
        dropout: float = 0.0,
        n_edge_features: int = 0,
    ) -> None:
        super().__init__()
        if convolution not in CONVOLUTIONS:
            raise ValueError(f"convolution must be one of {', '.join(CONVOLUTIONS)}; got {convolution!r}")
        if not 1 <= n_convolutions <= 4:
            raise ValueError(f"n_convolutions must be 1 to 4, got {n_convolutions}")
        half = hidden_features // 2
        widths = [n_features, hidden_features, hidden_features, half, half][: n_convolutions + 1]
        self.convolutions = nn.ModuleList(
            AttentionConvolution(before, after, dropout, n_heads)
            if convolution == "attention"
            else MeanConvolution(before, after, dropout)
            for before, after in itertools.pairwise(widths)
        )
        self.source = Linear(widths[-1], half)
        self.destination = Linear(widths[-1], half)
        self.edge = Linear(n_edge_features, half, bias=False) if n_edge_features else None
        self.classifier = nn.Sequential(
            nn.PReLU(half, dtype=torch.float32),
            Linear(half, half),
            nn.PReLU(half, dtype=torch.float32),
            nn.Linear(half, 2, dtype=torch.float32),
        )

    def forward(
        self, blocks: Sequence[InEdges], features: Tensor, edge_features: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Predict for the edges and destinations of the last block.

        Parameters
        ----------
        blocks : sequence of n_convolutions + 1 InEdges
            Of a mini-batch's DGL blocks, or those of one full graph repeated.
        features : Tensor of shape (n_sources, n_features), float32
            Of the first block's sources.
        edge_features : Tensor of shape (m, n_edge_features), float32, optional
            In the order of the last block's InEdges.

        Returns
        -------
        logits : Tensor of shape (m, 2), float32
            In the order of the last block's InEdges; softmax gives (1 − p_ij, p_ij).
        density : Tensor of shape (n_destinations,), float32
        """
        source, destination = self._project(blocks, features)
        edges = blocks[-1]
        first_slope, linear, second_slope, last = (cast(nn.Linear, layer) for layer in self.classifier)
        if self.edge is None:
            joint = prelu_of_ends(source, destination, edges.sources, edges.destinations, first_slope.weight)
        else:
            ends = source[edges.sources] + destination[edges.destinations]
            joint = prelu(ends + self.edge(edge_features), first_slope.weight)
        logits = last(prelu(linear(joint), second_slope.weight))
        return logits, _density(edges, torch.softmax(logits, dim=1)[:, 1])

    @torch.no_grad()
    def predict(
        self,
        edges: InEdges,
        features: Tensor,
        edge_features: Tensor | None = None,
        *,
        show_progress: bool = False,
    ) -> tuple[Tensor, Tensor]:
        """Predict for a whole graph, in chunks of edges so that memory stays bounded.

        Parameters
        ----------
        edges, features, edge_features
            As in `forward`, of one graph.
        show_progress : bool
            On the CPU.

        Returns
        -------
        linkage : Tensor of shape (m,), float32
            p_ij in the order of `edges`.
        density : Tensor of shape (n,), float32
        """
        training, _ = self.training, self.eval()
        if features.device.type == "cpu":
            projected = project_nodes(self, edges, features)
            linkage = link_edges(self, edges, *projected, edge_features, show_progress=show_progress)
        else:
            linkage = self._link_in_chunks(edges, features, edge_features)
        self.train(training)
        return linkage, _density(edges, linkage)

    def _link_in_chunks(self, edges: InEdges, features: Tensor, edge_features: Tensor | None) -> Tensor:
        source, destination = self._project([edges] * (len(self.convolutions) + 1), features)
        linkage = torch.empty(len(edges.sources), dtype=torch.float32, device=features.device)
        for start in range(0, len(linkage), _EDGES_PER_CHUNK):
            chunk = slice(start, start + _EDGES_PER_CHUNK)
            hidden = source[edges.sources[chunk]] + destination[edges.destinations[chunk]]
            logits = self._classify(hidden, None if edge_features is None else edge_features[chunk])
            linkage[chunk] = torch.sigmoid(logits[:, 1] - logits[:, 0])
        return linkage

    def _project(self, blocks: Sequence[InEdges], features: Tensor) -> tuple[Tensor, Tensor]:
        for convolution, edges in zip(self.convolutions, blocks, strict=False):
            features = convolution(edges, features)
        return self.source(features), self.destination(features[: blocks[-1].n_destinations])

    def _classify(self, hidden: Tensor, edge_features: Tensor | None) -> Tensor:
        if self.edge is not None:
            hidden = hidden + self.edge(edge_features)
        return self.classifier(hidden)


def _density(edges: InEdges, linkage: Tensor) -> Tensor:
    signed = edges.affinity * (2 * linkage - 1)
    none = torch.zeros(edges.n_destinations, dtype=signed.dtype, device=signed.device)
    return none.index_add(0, edges.destinations, signed) / edges.indptr.diff().clamp(min=1)
