"""Pick clusters worth looking at: whole ones, ones that merge classes, and classes that were split."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_NOISE = -1  # the label of items in no cluster


@dataclass(frozen=True)
class Group:
    """Items shown together: those of one class within a cluster, or of one cluster within a class.

    Attributes
    ----------
    name : str
        Class, or "cluster 7".
    size : int
        Items in the group.
    rows : ndarray of shape (s,), int64
        The few that are shown.
    """

    name: str
    size: int
    rows: NDArray[np.int64]


@dataclass(frozen=True)
class Example:
    """One cluster, or one class, and what became of it."""

    title: str
    caption: str
    groups: tuple[Group, ...]


def pick_examples(
    labels_true: NDArray, labels_pred: NDArray[np.int64], *, per_kind: int = 4, max_items: int = 18
) -> dict[str, list[Example]]:
    """Choose the examples of each kind that count most.

    Parameters
    ----------
    labels_true : ndarray of shape (n,)
        Class names.
    labels_pred : ndarray of shape (n,), int64
        Cluster of each item; -1 for one that stands alone.
    per_kind : int
        Examples of each kind, at most.
    max_items : int
        Items shown of each example, at most, spread over its groups.

    Returns
    -------
    dict of str to list of Example
        ``whole``: clusters that equal a class, the largest first. ``merged``: clusters with the most pairs of
        different classes. ``split``: classes with the most pairs torn apart.
    """
    names, classes = np.unique(np.asarray(labels_true), return_inverse=True)
    found, clusters = np.unique(labels_pred, return_inverse=True)
    class_names = [str(name) for name in names]
    cluster_names = [f"cluster {cluster}" for cluster in found]
    alone = np.flatnonzero(labels_pred == _NOISE)
    clusters[alone] = len(found) + np.arange(len(alone))
    cluster_names += ["no cluster"] * len(alone)
    merged, split = [], []
    for cluster in _most_broken(clusters, classes)[:per_kind]:
        members = clusters == cluster
        title = f"{cluster_names[cluster]} merges {len(np.unique(classes[members]))} classes"
        merged.append(_example(title, members, classes, class_names, "of", max_items))
    for c in _most_broken(classes, clusters)[:per_kind]:
        members = classes == c
        title = f"{class_names[c]} is split over {len(np.unique(clusters[members]))} clusters"
        split.append(_example(title, members, clusters, cluster_names, "in", max_items))
    whole = [
        _example(f"{class_names[c]} is found whole", classes == c, classes, class_names, "of", max_items)
        for c in _whole_classes(classes, clusters)[:per_kind]
    ]
    return {"whole": whole, "merged": merged, "split": split}


def _most_broken(outer: NDArray[np.int64], inner: NDArray[np.int64]) -> NDArray[np.int64]:
    """Groups of `outer` by the pairs in them that `inner` tells apart, most first; unbroken groups are left out."""
    sizes = np.bincount(outer)
    cells, counts = np.unique(np.stack([outer, inner]), axis=1, return_counts=True)
    apart = (sizes**2 - np.bincount(cells[0], counts**2)) / 2
    order = np.argsort(-apart, kind="stable")
    return order[apart[order] > 0]


def _whole_classes(classes: NDArray[np.int64], clusters: NDArray[np.int64]) -> NDArray[np.int64]:
    cells, counts = np.unique(np.stack([classes, clusters]), axis=1, return_counts=True)
    class_sizes, cluster_sizes = np.bincount(classes), np.bincount(clusters)
    whole = (counts == class_sizes[cells[0]]) & (counts == cluster_sizes[cells[1]]) & (counts > 1)
    found = cells[0][whole]
    return found[np.argsort(-class_sizes[found], kind="stable")]


def _example(
    title: str, members: NDArray[np.bool_], inner: NDArray[np.int64], names: list[str], joint: str, max_items: int
) -> Example:
    rows = np.flatnonzero(members)
    groups, sizes = np.unique(inner[rows], return_counts=True)
    order = np.argsort(-sizes, kind="stable")
    groups, sizes = groups[order], sizes[order]
    n_shown = min(len(groups), max_items // 3)  # at least three items' room each, the smallest groups are left out
    shown = _share_out(sizes[:n_shown], max_items)
    parts = tuple(
        Group(names[group], int(size), rows[inner[rows] == group][:count])
        for group, size, count in zip(groups[:n_shown], sizes[:n_shown], shown, strict=True)
    )
    text = ", ".join(f"{part.size} {joint} {part.name}" for part in parts)
    if n_shown < len(groups):
        text += f", {sizes[n_shown:].sum()} {joint} {len(groups) - n_shown} more"
    return Example(title, f"{len(rows)} items: {text}" if len(groups) > 1 else f"{len(rows)} items", parts)


def _share_out(sizes: NDArray[np.int64], room: int) -> NDArray[np.int64]:
    """Divide `room` among groups: in turn one place each, as long as a group has items left."""
    shown = np.zeros_like(sizes)
    while shown.sum() < min(room, sizes.sum()):
        shown[np.argmin(np.where(shown < sizes, shown, np.inf))] += 1
    return shown
