"""One round of message passing: every node's features and those of its neighbours to hidden features."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from hilander.graph.in_edges import InEdges
from hilander.nn.linear import apply_linear


def weighted_neighbor_sum(edges: InEdges, features: Tensor) -> Tensor:
    """Return Σ_j ã_ij x_j for every destination i.

    Equal to DGL's ``update_all(u_mul_e, sum)`` and several times faster on CPUs, since every destination's
    edges lie together.

    Parameters
    ----------
    edges : InEdges
    features : Tensor of shape (n_sources, d), float32

    Returns
    -------
    Tensor of shape (n_destinations, d), float32
    """
    return functional.embedding_bag(
        edges.sources, features, edges.indptr, mode="sum", per_sample_weights=edges.weight, include_last_offset=True
    )


class MeanConvolution(nn.Module):
    """Graph convolution with affinity weights: ``h_i = ReLU(W [x_i ; Σ_j ã_ij x_j] + b)``.

    Source: Xing et al. 2021, equation 2, with the published depth of one layer.

    **Shapes:** features (n_sources, in_features) → (n_destinations, out_features). The destinations are the
    first sources, as in a DGL block.
    """

    def __init__(self, in_features: int, out_features: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.linear = nn.Linear(2 * in_features, out_features, dtype=torch.float32)
        self.dropout = nn.Dropout(dropout)

    def forward(self, edges: InEdges, features: Tensor) -> Tensor:
        """Convolve `features` over `edges`."""
        features, weight = self.folded(features)
        own = features[: edges.n_destinations]
        inputs = torch.cat([own, weighted_neighbor_sum(edges, features)], dim=1)
        return self.dropout(torch.relu(apply_linear(inputs, weight, self.linear.bias)))

    def folded(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Return features and weights, only half as wide where both halves ``[f_i ; c_i]`` are the same.

        As on level 0, where a node's cluster is the node itself. Then f and c share a sum of their weights.
        """
        width = features.shape[1] // 2
        first, second = features[:, :width], features[:, features.shape[1] - width :]
        foldable = features.shape[1] == 2 * width and not features.requires_grad
        if not foldable or not torch.equal(first[:1], second[:1]) or not torch.equal(first, second):
            return features, self.linear.weight
        return first.contiguous(), self.linear.weight.unflatten(1, (2, 2, width)).sum(dim=2).flatten(1)


class AttentionConvolution(nn.Module):
    """Graph attention (DGL's GATConv), averaged over its heads, with ReLU: the published iNaturalist setting.

    **Shapes:** features (n_sources, in_features) → (n_destinations, out_features).
    """

    def __init__(self, in_features: int, out_features: int, dropout: float = 0.0, n_heads: int = 1) -> None:
        super().__init__()
        from hilander.graph.build import dgl  # takes a second to load, and nothing else here needs it

        self.attention = dgl.nn.pytorch.GATConv(in_features, out_features, n_heads, allow_zero_in_degree=True).float()
        self.bias = nn.Parameter(torch.zeros((n_heads, out_features), dtype=torch.float32))
        self.dropout = nn.Dropout(dropout)

    def forward(self, edges: InEdges, features: Tensor) -> Tensor:
        """Attend over `edges`.

        Raises
        ------
        ValueError
            The features lie on another device than the CPU, the only one that DGL's common wheels run on.
        """
        if features.device.type != "cpu":
            raise ValueError("convolution 'attention' runs on the CPU alone; set device='cpu' or convolution='mean'")
        from hilander.graph.build import dgl

        n_sources, n_destinations = len(features), edges.n_destinations
        block = dgl.create_block(
            (edges.sources, edges.destinations), num_src_nodes=n_sources, num_dst_nodes=n_destinations
        )
        hidden = self.attention(block, (features, features[:n_destinations])) + self.bias
        return self.dropout(torch.relu(hidden.mean(dim=1)))


CONVOLUTIONS = {"mean": MeanConvolution, "attention": AttentionConvolution}
