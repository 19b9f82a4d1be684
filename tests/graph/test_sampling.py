import dgl
import numpy as np
import torch

from hilander.embeddings import check_embeddings
from hilander.graph.build import build_graph
from hilander.graph.knn import nearest_neighbors
from hilander.graph.sampling import FullNeighborSampler


def test_blocks_hold_the_same_edges_as_dgls_own_sampler_and_repeat_themselves():
    embeddings = check_embeddings(np.random.default_rng(0).normal(size=(100, 4)))
    graph = build_graph(*nearest_neighbors(embeddings, 5))
    nodes = torch.tensor([7, 3, 50])
    inputs, outputs, blocks = FullNeighborSampler(2).sample(graph, nodes)
    _, _, theirs = dgl.dataloading.MultiLayerFullNeighborSampler(2).sample(graph, nodes)
    assert torch.equal(outputs, nodes)
    for ours, other in zip(blocks, theirs, strict=True):
        assert torch.equal(ours.edata[dgl.EID].sort()[0], other.edata[dgl.EID].sort()[0])
        names = ours.srcdata[dgl.NID]
        sources, destinations = graph.find_edges(ours.edata[dgl.EID])
        assert torch.equal(names[ours.edges()[0]], sources)
        assert torch.equal(ours.dstdata[dgl.NID][ours.edges()[1]], destinations)
    assert torch.equal(blocks[0].dstdata[dgl.NID], blocks[1].srcdata[dgl.NID])
    again = FullNeighborSampler(2).sample(graph, nodes)
    assert torch.equal(again[0], inputs)
    assert torch.equal(again[2][0].edges()[0], blocks[0].edges()[0])
