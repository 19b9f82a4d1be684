"""What is measured: each part times hilander and the naive pipeline on the same draw, and returns figures by name."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.record import RESULTS
from benchmarks.speed import naive
from benchmarks.speed.draw import draw
from benchmarks.speed.measuring import WORK, apart, cpu_seconds, peak_memory, recall
from hilander import HiLander, train_lander
from hilander.atomic_write import atomic_file
from hilander.config import PublishedParams, RelationalParams
from hilander.graph.build import build_graph, in_edges
from hilander.graph.knn import nearest_neighbors
from hilander.graph.sampling import FullNeighborSampler
from hilander.hierarchy.decode import Links, tree_parents
from hilander.hierarchy.next_level import first_level, next_level
from hilander.metrics import score
from hilander.models.clustering_model import ClusteringModel
from hilander.models.persistence import load_model
from hilander.models.published import PublishedModel
from hilander.nn.lander import Lander

_SAMPLE = 4096  # queries of a flat search, whose cost is scaled to all of them
_JUDGED = 1000  # queries on which recall is measured
_TRAINING_ROWS = 6000
_CLUSTERED_ROWS = 20_000  # by what has learned from many more
_LIKELY = 0.65  # similarity that stands for a linkage above the threshold

Figures = dict[str, float]
Sampler = Callable[[Any, torch.Tensor], tuple[torch.Tensor, torch.Tensor, list[Any]]]


def knn(n: int, k: int, repeats: int = 1) -> Figures:
    """Search on `n` rows beside faiss's flat index, which is timed on 4,096 queries and scaled."""
    embeddings = np.load(drawn(n), mmap_mode="r")
    nearest_neighbors(embeddings[:2000], k, method="ivf")  # compiles
    queries = np.random.default_rng(n + k).choice(n, _SAMPLE, replace=False)
    judged = queries[:_JUDGED]
    true, _ = naive.flat_neighbors(embeddings, k, judged)
    flat = cpu_seconds(lambda: naive.flat_neighbors(embeddings, k, queries), repeats) * n / _SAMPLE
    found: list[NDArray[np.int64]] = []
    ours = cpu_seconds(lambda: found.append(nearest_neighbors(embeddings, k)[0][judged]), repeats)
    return {"flat_seconds": flat, "seconds": ours, "ratio": flat / ours, "recall": recall(found[0], true)}


def forward(n: int = 20_000, repeats: int = 3) -> Figures:
    """The published network on one graph: whole graph, sampled batches, and ours."""
    embeddings = np.load(drawn(n))
    graph = build_graph(*nearest_neighbors(embeddings, 10))
    features = torch.from_numpy(np.concatenate([embeddings, embeddings], axis=1))
    torch.manual_seed(0)
    lander = Lander(features.shape[1]).eval()
    linkage, density = lander.predict(in_edges(graph), features)
    full, sampled = (predict(lander, graph, features) for predict in (naive.predict_full, naive.predict_sampled))
    difference = max(float((ours - theirs[i]).abs().max()) for theirs in (full, sampled)
                     for i, ours in enumerate((linkage, density)))  # fmt: skip
    if difference > 1e-5:
        raise RuntimeError(f"hilander and the naive network differ by {difference}")
    ours = cpu_seconds(lambda: lander.predict(in_edges(graph), features), repeats)
    full_seconds = cpu_seconds(lambda: naive.predict_full(lander, graph, features), repeats)
    sampled_seconds = cpu_seconds(lambda: naive.predict_sampled(lander, graph, features), repeats)
    return {
        "seconds": ours,
        "naive_full_seconds": full_seconds,
        "naive_sampled_seconds": sampled_seconds,
        "ratio_full": full_seconds / ours,
        "ratio_sampled": sampled_seconds / ours,
        "difference": difference,
    }


def decode(repeats: int = 3) -> Figures:
    """Forest and next level's nodes on 20,000 and 100,000 rows; the growth is the exponent of n."""
    (small, _), (large, naive_large) = (_decode_seconds(n, repeats) for n in (20_000, 100_000))
    return {
        "seconds": large,
        "naive_seconds": naive_large,
        "ratio": naive_large / large,
        "growth": float(np.log(large / small) / np.log(5)),
    }


def _decode_seconds(n: int, repeats: int) -> tuple[float, float]:
    embeddings = np.load(drawn(n))
    neighbors, similarities = nearest_neighbors(embeddings, 10)
    graph = build_graph(neighbors, similarities)
    sources, destinations = (ends.numpy() for ends in graph.edges(order="eid"))
    links = Links(sources, destinations, similarities.ravel(), similarities.mean(axis=1))
    nodes = first_level(embeddings)
    ours = [next_level(nodes, tree_parents(links, _LIKELY), embeddings)]
    theirs = []

    def decode_naively() -> None:
        parents = naive.decode(graph, links.linkage, links.density, _LIKELY)
        theirs.append(naive.next_level(embeddings, nodes.members, parents))

    naive_seconds = cpu_seconds(decode_naively)
    if not np.array_equal(ours[0].members, theirs[0][1]):
        raise RuntimeError("hilander and the naive decode give other clusters")
    np.testing.assert_allclose(ours[0].cluster_features, theirs[0][2], atol=1e-5)
    return cpu_seconds(lambda: next_level(nodes, tree_parents(links, _LIKELY), embeddings), repeats), naive_seconds


def ours_end_to_end(n: int) -> Figures:
    """`HiLander.fit` of the default variant, all levels, from a memory map."""
    model = load_model(model_folder("hilander"))
    HiLander(model).fit(np.load(drawn(20_000), mmap_mode="r")[:3000])  # compiles
    embeddings = np.load(drawn(n), mmap_mode="r")
    started = time.perf_counter()
    seconds = cpu_seconds(lambda: HiLander(model).fit(embeddings))
    return {"seconds": seconds, "wall_seconds": time.perf_counter() - started, "peak_bytes": peak_memory()}


def ours_again(n: int) -> Figures:
    """`HiLander.fit` in a process that has done the same before and keeps the memory that it took, see `figures_of`."""
    model, embeddings = load_model(model_folder("hilander")), np.load(drawn(n), mmap_mode="r")
    return _again(lambda: HiLander(model).fit(embeddings))


def naive_again(n: int) -> Figures:
    """The published pipeline in such a process."""
    embeddings, model = np.load(drawn(n)), load_model(model_folder("published"))
    assert isinstance(model, PublishedModel)
    return _again(lambda: naive.cluster(embeddings, model))


def _again(action: Callable[[], object]) -> Figures:
    action()
    return {"seconds": cpu_seconds(action, repeats=3)}


def naive_end_to_end(n: int) -> Figures:
    """The published pipeline, all levels."""
    embeddings, model = np.load(drawn(n)), load_model(model_folder("published"))
    assert isinstance(model, PublishedModel)
    return {"seconds": cpu_seconds(lambda: naive.cluster(embeddings, model)), "peak_bytes": peak_memory()}


def training_step(n: int = 20_000, n_steps: int = 5) -> Figures:
    """One optimiser step of the published network on batches of 4,096 nodes, sampling included."""
    embeddings = np.load(drawn(n))
    graph = build_graph(*nearest_neighbors(embeddings, 10))
    features = torch.from_numpy(np.concatenate([embeddings, embeddings], axis=1))
    torch.manual_seed(0)
    lander = Lander(features.shape[1])
    optimizer = torch.optim.SGD(lander.parameters(), lr=0.01)

    def learn(sample: Sampler, run: Callable[[list[Any], torch.Tensor], tuple[torch.Tensor, torch.Tensor]]) -> None:
        for batch in torch.randperm(n)[: 4096 * n_steps].split(4096):
            inputs, _, blocks = sample(graph, batch)
            linkage, density = run(blocks, features[inputs])
            optimizer.zero_grad()
            (linkage.square().mean() + density.square().mean()).backward()
            optimizer.step()

    def fast(blocks: list[Any], inputs: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        logits, density = lander([in_edges(block) for block in blocks], inputs)
        return torch.softmax(logits, dim=1)[:, 1], density

    def ours() -> None:
        learn(FullNeighborSampler(2).sample, fast)

    def theirs() -> None:
        learn(published.sample, lambda blocks, inputs: naive.forward(lander, blocks, inputs))

    published = naive.dgl.dataloading.MultiLayerFullNeighborSampler(2)
    ours()  # the first steps set things up
    theirs()
    seconds, naive_seconds = cpu_seconds(ours, 3) / n_steps, cpu_seconds(theirs, 3) / n_steps
    return {"seconds": seconds, "naive_seconds": naive_seconds, "ratio": naive_seconds / seconds}


def training_omniglot() -> Figures:
    """Training on Omniglot's background, as `make bench-omniglot` found it."""
    figures = json.loads((RESULTS / "omniglot.json").read_text(encoding="utf-8"))["figures"]
    return {"wall_seconds": figures["omniglot_all.hilander.train_seconds"]}


def training(n: int) -> Figures:
    """`train_lander` of the default variant on `n` labelled rows, and how well it clusters others."""
    embeddings, labels = draw(n, seed=n + 1)
    started = time.perf_counter()
    models: list[ClusteringModel] = []
    seconds = cpu_seconds(lambda: models.append(train_lander(embeddings, labels)))
    figures = {"seconds": seconds, "wall_seconds": time.perf_counter() - started, "peak_bytes": peak_memory()}
    others, classes = draw(_CLUSTERED_ROWS, seed=n + 2)
    return figures | {"f_pairwise": score(classes, HiLander(models[0]).fit_predict(others))["f_pairwise"]}


PARTS: dict[str, Callable[[], Figures]] = {
    "knn_100k": lambda: knn(100_000, 10, repeats=3),
    "knn_100k_k80": lambda: knn(100_000, 80),
    "knn_500k": lambda: knn(500_000, 10),
    "forward": forward,
    "decode": decode,
    "training_step": training_step,
    "training_omniglot": training_omniglot,
    "training_100k": lambda: training(100_000),
    "hilander_100k": lambda: ours_end_to_end(100_000),
    "naive_100k": lambda: naive_end_to_end(100_000),
    "hilander_100k_again": lambda: ours_again(100_000),
    "naive_100k_again": lambda: naive_again(100_000),
    "hilander_500k": lambda: ours_end_to_end(500_000),
    "hilander_1m": lambda: ours_end_to_end(1_000_000),
    "hilander_1m_one_thread": lambda: ours_end_to_end(1_000_000),
    "hilander_5m": lambda: ours_end_to_end(5_000_000),
}
# minutes of a small machine, and most of its memory; of five million also 35 GB of its disk
ON_REQUEST = ("hilander_500k", "hilander_1m", "hilander_1m_one_thread", "hilander_5m")


def drawn(n: int) -> Path:
    """File of a draw of `n` rows, made at the first call."""
    path = WORK / f"draw_{n}.npy"
    if not path.exists():
        apart(_draw, n, path)
    return path


def model_folder(variant: str) -> Path:
    """Folder of a model of that variant, trained on a draw of its own at the first call."""
    folder = WORK / f"model_{variant}"
    if not folder.exists():
        apart(_train, variant, folder)
    return folder


def _draw(n: int, path: Path) -> None:
    with atomic_file(path) as temporary, temporary.open("wb") as file:
        np.save(file, draw(n, seed=n)[0])


def _train(variant: str, folder: Path) -> None:
    params = PublishedParams(epochs=20) if variant == "published" else RelationalParams()
    train_lander(*draw(_TRAINING_ROWS, seed=1), variant=variant, params=params).save(folder)
