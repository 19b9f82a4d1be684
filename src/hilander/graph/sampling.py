"""Mini-batches of nodes with all their neighbours, in an order that the same seed repeats."""

from __future__ import annotations

from typing import Any

import torch

from hilander.graph.build import dgl


class FullNeighborSampler(dgl.dataloading.BlockSampler):
    """All in-neighbours over several layers, as DGL blocks.

    DGL's own MultiLayerFullNeighborSampler numbers a block's sources in another order at each call, so that
    sums of floats, and with them trained weights, differ from run to run. Here the sources are the
    destinations and then the others in ascending order.

    Parameters
    ----------
    n_layers : int
        Blocks per batch.
    """

    def __init__(self, n_layers: int) -> None:
        super().__init__()
        self.n_layers = n_layers

    def sample_blocks(
        self, g: dgl.DGLGraph, seed_nodes: torch.Tensor, exclude_eids: Any = None
    ) -> tuple[torch.Tensor, torch.Tensor, list[Any]]:
        """Return input nodes, output nodes and blocks; see `dgl.dataloading.BlockSampler`."""
        output_nodes = seed_nodes
        blocks: list[Any] = []
        position = torch.empty(g.num_nodes(), dtype=torch.int64)
        for _ in range(self.n_layers):
            sources, destinations, edge_ids = g.in_edges(seed_nodes, form="all")
            others = torch.unique(sources)
            names = torch.cat([seed_nodes, others[~torch.isin(others, seed_nodes)]])
            position[names] = torch.arange(len(names))
            block = dgl.create_block(
                (position[sources], position[destinations]), num_src_nodes=len(names), num_dst_nodes=len(seed_nodes)
            )
            block.srcdata[dgl.NID], block.dstdata[dgl.NID], block.edata[dgl.EID] = names, seed_nodes, edge_ids
            for key, values in g.edata.items():
                block.edata[key] = values[edge_ids]
            seed_nodes = names
            blocks.insert(0, block)
        return seed_nodes, output_nodes, blocks
