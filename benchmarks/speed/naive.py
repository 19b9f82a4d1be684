"""The published pipeline written the obvious way: flat search, DGL message passing, sampled batches, Python decode."""

from __future__ import annotations

from collections.abc import Iterator

import faiss
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from hilander.graph.build import build_graph, dgl
from hilander.models.published import PublishedModel
from hilander.nn.lander import Lander

fn = dgl.function
_NODES_PER_BATCH = 4096  # as published


def flat_neighbors(
    embeddings: NDArray[np.float32], k: int, rows: NDArray[np.int64] | None = None
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """All pairs by faiss's flat search: k neighbours of some rows or all, without the row itself."""
    queries = embeddings if rows is None else embeddings[rows]
    similarities, neighbors = faiss.knn(queries, embeddings, k + 1, metric=faiss.METRIC_INNER_PRODUCT)
    return neighbors[:, 1:], similarities[:, 1:]


def forward(lander: Lander, blocks: list[dgl.DGLGraph], features: Tensor) -> tuple[Tensor, Tensor]:
    """Linkage (m,) and density (n,) of the last block, every edge with its own projections, as published."""
    for convolution, block in zip(lander.convolutions, blocks, strict=False):
        with block.local_scope():
            own = features[: block.num_dst_nodes()]
            block.srcdata["features"] = features
            block.update_all(fn.u_mul_e("features", "weight", "message"), fn.sum("message", "sum"))
            linear = convolution.get_submodule("linear")
            features = torch.relu(linear(torch.cat([own, block.dstdata["sum"]], dim=1)))
    block = blocks[-1]
    with block.local_scope():
        block.srcdata["hidden"] = features
        block.dstdata["hidden"] = features[: block.num_dst_nodes()]

        def classify(edges: dgl.udf.EdgeBatch) -> dict[str, Tensor]:
            joint = _linear(lander.source, edges.src["hidden"]) + _linear(lander.destination, edges.dst["hidden"])
            first_slope, middle, second_slope, last = lander.classifier
            logits = last(second_slope(_linear(middle, first_slope(joint))))
            return {"probabilities": torch.softmax(logits, dim=1)}

        block.apply_edges(classify)
        unlinked, linkage = block.edata["probabilities"].unbind(1)
        block.edata["signed"] = block.edata["affinity"] * (linkage - unlinked)
        block.update_all(fn.copy_e("signed", "message"), fn.mean("message", "density"))
        return linkage, block.dstdata["density"]


def _linear(layer: nn.Module, inputs: Tensor) -> Tensor:
    """By torch's own product, whatever the layer takes for it."""
    weight, bias = layer.parameters()
    return functional.linear(inputs, weight, bias)


def predict_full(lander: Lander, graph: dgl.DGLGraph, features: Tensor) -> tuple[Tensor, Tensor]:
    """Message passing over the whole graph at once."""
    with torch.no_grad():
        return forward(lander, [graph] * (len(lander.convolutions) + 1), features)


def predict_sampled(lander: Lander, graph: dgl.DGLGraph, features: Tensor) -> tuple[Tensor, Tensor]:
    """Message passing over batches of nodes with all that is two steps away."""
    linkage, density = torch.empty(graph.num_edges()), torch.empty(graph.num_nodes())
    with torch.no_grad():
        for inputs, outputs, blocks in sampled_batches(lander, graph, torch.arange(graph.num_nodes())):
            of_edges, of_nodes = forward(lander, blocks, features[inputs])
            linkage[blocks[-1].edata[dgl.EID]], density[outputs] = of_edges, of_nodes
    return linkage, density


def sampled_batches(
    lander: Lander, graph: dgl.DGLGraph, nodes: Tensor
) -> Iterator[tuple[Tensor, Tensor, list[dgl.DGLGraph]]]:
    """Input nodes, output nodes and blocks of batches of 4,096 nodes."""
    sampler = dgl.dataloading.MultiLayerFullNeighborSampler(len(lander.convolutions) + 1)
    for batch in nodes.split(_NODES_PER_BATCH):
        yield sampler.sample(graph, batch)


def decode(
    graph: dgl.DGLGraph, linkage: NDArray[np.float32], density: NDArray[np.float32], threshold: float
) -> NDArray[np.int64]:
    """Parent of every node (n,): edge by edge the likeliest link from a denser node; a peak is its own parent."""
    sources, destinations = (ends.numpy() for ends in graph.edges(order="eid"))
    parents = list(range(len(density)))
    likeliest = [threshold] * len(density)
    for source, destination, probability in zip(sources, destinations, linkage, strict=True):
        denser = density[source] > density[destination] or (
            density[source] == density[destination] and source < destination
        )
        if denser and probability > likeliest[destination]:
            parents[destination], likeliest[destination] = source, probability
    return np.array(parents)


def next_level(
    embeddings: NDArray[np.float32], members: NDArray[np.int64], parents: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float32]]:
    """Peaks (c,), each item's new node (n,) and each new node's mean embedding (c, d), cluster by cluster."""
    roots = []
    for node in range(len(parents)):
        root = node
        while parents[root] != root:
            root = parents[root]
        roots.append(root)
    peaks = sorted(set(roots))
    number = {peak: position for position, peak in enumerate(peaks)}
    merged = np.array([number[root] for root in roots])[members]
    means = np.stack([embeddings[merged == cluster].mean(axis=0) for cluster in range(len(peaks))])
    return np.array(peaks), merged, means


def cluster(embeddings: NDArray[np.float32], model: PublishedModel) -> NDArray[np.int64]:
    """Labels (n,) by all levels."""
    settings = model.settings
    identity, means, members = embeddings, embeddings, np.arange(len(embeddings))
    for _ in range(settings.max_levels):
        neighbors, similarities = flat_neighbors(identity, min(settings.n_neighbors, len(identity) - 1))
        graph = build_graph(neighbors, similarities)
        features = torch.from_numpy(np.concatenate([identity, means], axis=1))
        linkage, density = predict_sampled(model.lander, graph, features)
        parents = decode(graph, linkage.numpy(), density.numpy(), settings.linkage_threshold)
        if (parents == np.arange(len(parents))).all():
            break
        peaks, members, means = next_level(embeddings, members, parents)
        identity = identity[peaks]
        if len(peaks) < 2:
            break
    return members
