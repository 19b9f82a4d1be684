"""The scikit-learn face: fit, fit_predict, save, load; `hilander.later_rows` has predict and assign."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import ClusterMixin
from sklearn.utils.validation import _num_samples, validate_data

from hilander.clustering import Clustering, cluster_embeddings
from hilander.compilation import told_of_compilation
from hilander.distributed.source import Source
from hilander.estimator_parameters import model_and_settings
from hilander.hierarchy.constrained_rows import check_pairs
from hilander.later_rows import LaterRows, all_or_nothing, assigner_of
from hilander.models.clustering_model import ClusteringModel, ClusteringSettings
from hilander.models.persistence import load_model, save_model

if TYPE_CHECKING:
    from distributed import Client


class HiLander(ClusterMixin, LaterRows):
    """Learned hierarchical clustering; the number of clusters is not given.

    Parameters
    ----------
    model : ClusteringModel, optional
        From `train_lander` or `HiLander.load`. By default the general model in the package, which takes embeddings of
        any kind and width; one that is trained on labelled classes of the same kind is better.
    granularity : float
        Above 1 for more and finer clusters, below 1 for fewer and coarser ones: the odds that two belong together
        must be so many times those of the linkage threshold. The default is what the model was trained to find.
    max_cluster_size : int, optional
        Most rows of a cluster; no merge goes beyond it.
    outliers : {"keep", "label"}
        What becomes of a row that stands alone: a cluster of one, or the label -1.
    linkage_threshold : float or "adapted", optional
        p_τ, within [0, 1], from which `granularity` departs; "adapted" takes the one that suits the data at hand, see
        `hilander.linkage_threshold`, as for classes of quite another kind than those learned from. By default the
        model's own, chosen in training, and adapted with the general model.
    whitening : float, optional
        Embeddings are whitened first by their own likely pairs, with at least this shrinkage, within (0, 1]; 0 leaves
        them as they are. See `hilander.set_whitening`. By default as the model was saved: 0.3 with the general model,
        else 0.
    n_neighbors : int, optional
        k of the neighbour graph; the model's own by default.
    max_levels : int, optional
        Most levels of the hierarchy (L); the model's own by default.
    decode : {"tree", "average_linkage"}, optional
        How links become clusters; the model's own by default.
    random_state : int
        Seed of the approximate search for the neighbours of more than 15,000 items, 0 to 2³² − 1. The same seed gives
        the same labels.
    show_progress : bool
        Draw progress bars while fitting and assigning.
    engine : distributed.Client or str, optional
        Workers that fit in parts, with the labels of one machine: a Dask client, or the address of a scheduler such as
        ``tcp://10.0.0.5:8786``. Only for models of the variant "hilander", as the general one is.
    run_folder : str or Path, optional
        Fit in parts and keep them in this folder: a fit that was interrupted carries on from the last finished part,
        and one with another `granularity` begins where linkage is known. A path that all workers see, or a URL that
        fsspec knows. With an engine and without one, a temporary folder of this machine is used.

    Attributes
    ----------
    labels_ : ndarray of shape (n,), int64
        Cluster of each row, 0..C-1 by decreasing size; -1 where ``outliers="label"`` and the row stands alone.
    probabilities_ : ndarray of shape (n,), float32
        How sure the model is of each row's cluster: the share of the others in it that is of its class, as far as the
        model can tell; of a row that stands alone, how likely it belongs to none of the clusters around it.
    levels_ : list of LevelSummary
        ``n_nodes``, ``n_edges``, ``n_clusters`` and ``labels`` of every level, finest first; rows that stand alone
        are clusters of one there.
    peaks_ : ndarray of shape (C,), int64
        The row that represents each cluster.
    linkage_threshold_ : float
        The one that was clustered by: adapted where it adapts, and with `granularity` in it.
    n_features_in_ : int
        Width of the embeddings.

    References
    ----------
    Xing et al., *Learning Hierarchical Graph Neural Networks for Image Clustering*, ICCV 2021.

    Examples
    --------
    >>> import numpy as np
    >>> from hilander import HiLander
    >>> angles = np.radians([0, 2, 4, 120, 121, 240])
    >>> embeddings = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    >>> HiLander().fit_predict(embeddings)
    array([0, 0, 0, 1, 1, 2])
    >>> HiLander(outliers="label").fit_predict(embeddings, cannot_link=[[3, 4]])
    array([ 0,  0,  0, -1, -1, -1])
    """

    def __init__(
        self,
        model: ClusteringModel | None = None,
        *,
        granularity: float = 1.0,
        max_cluster_size: int | None = None,
        outliers: str = "keep",
        linkage_threshold: float | Literal["adapted"] | None = None,
        whitening: float | None = None,
        n_neighbors: int | None = None,
        max_levels: int | None = None,
        decode: str | None = None,
        random_state: int = 0,
        show_progress: bool = False,
        engine: Client | str | None = None,
        run_folder: str | Path | None = None,
    ) -> None:
        self.model = model
        self.granularity = granularity
        self.max_cluster_size = max_cluster_size
        self.outliers = outliers
        self.linkage_threshold = linkage_threshold
        self.whitening = whitening
        self.n_neighbors = n_neighbors
        self.max_levels = max_levels
        self.decode = decode
        self.random_state = random_state
        self.show_progress = show_progress
        self.engine = engine
        self.run_folder = run_folder

    @all_or_nothing
    def fit(
        self,
        X: ArrayLike | str | Path | Source,
        y: object = None,
        *,
        must_link: ArrayLike | None = None,
        cannot_link: ArrayLike | None = None,
    ) -> HiLander:
        """Cluster embeddings, keeping to what is known of some pairs.

        Equal rows share a cluster, unless constraints make that impossible. The partition does not depend on the order
        of the rows; only where equal rows have to part, their order decides which of them go together.

        Parameters
        ----------
        X : array-like of shape (n, d), or str, Path or Source
            Embeddings; normalised here, never changed in place. With an engine or a run folder also where they lie: an
            ``.npy`` or Parquet file, or a folder of such, as a path or as a URL that fsspec knows; or these opened, by
            `hilander.distributed.source.Source.open`.
        y : ignored
        must_link : array-like of shape (m, 2), optional
            Pairs of row numbers that share a cluster, on every level and also where the model sees no link; what they
            join directly or by way of others goes together.
        cannot_link : array-like of shape (m, 2), optional
            Pairs of row numbers that share no cluster, equal rows included.

        Raises
        ------
        ValueError
            Embeddings are not finite, non-zero rows of the model's width, a parameter is out of its range, or the
            constraints are no pairs of rows or contradict each other.
        """
        model, settings = model_and_settings(self.get_params(deep=False))
        in_parts = self.engine is not None or self.run_folder is not None
        if isinstance(X, str | Path | Source) and not in_parts:
            place = X.place if isinstance(X, Source) else X
            raise ValueError(
                f"X must be an array; to read {place} part by part, give HiLander a run_folder or an engine"
            )
        cluster: Callable[..., Clustering] = self._cluster_in_parts if in_parts else self._cluster
        with told_of_compilation(self.show_progress):
            clustering = cluster(
                X,
                model,
                settings,
                must_link=must_link,
                cannot_link=cannot_link,
                max_cluster_size=self.max_cluster_size,
                granularity=self.granularity,
                random_state=self.random_state,
                show_progress=self.show_progress,
            )
        self.linkage_threshold_ = clustering.linkage_threshold
        settings = replace(settings, linkage_threshold=clustering.linkage_threshold)
        self.labels_, self.probabilities_ = clustering.labels, clustering.probabilities
        self.peaks_, self.levels_ = clustering.peaks, clustering.levels
        if self.outliers == "label":  # clusters of one have the highest numbers
            n_clusters = int((np.bincount(self.labels_) > 1).sum())
            self.labels_ = np.where(self.labels_ < n_clusters, self.labels_, -1)
            self.peaks_ = self.peaks_[:n_clusters]
        self._assigner = None
        if not isinstance(X, str | Path | Source):
            nodes, whitening = clustering.nodes, clustering.whitening
            if in_parts:
                nodes = self._checked(X, model)[clustering.node_rows]
                nodes = nodes if whitening is None else whitening(nodes)
            self._assigner = assigner_of(nodes, self.labels_[clustering.node_rows], model, settings, whitening)
        return self

    def save(self, folder: str | Path) -> Path:
        """Write the model as a model folder, with the settings that are set here in place of its own.

        These are `linkage_threshold`, `whitening`, `n_neighbors`, `max_levels` and `decode`. All other parameters, such
        as `granularity`, say how a model is used: give them to `load` again. Fitted clusters are not part of it either.
        """
        model, settings = model_and_settings(self.get_params(deep=False))
        return save_model(replace(model, settings=settings), folder)

    @classmethod
    def load(cls, folder: str | Path, *, device: str = "auto", **parameters: Any) -> HiLander:
        """Return an estimator with the model of that folder; see `hilander.models.persistence.load_model`."""
        return cls(load_model(folder, device=device), **parameters)

    def _cluster(
        self,
        X: ArrayLike,
        model: ClusteringModel,
        settings: ClusteringSettings,
        *,
        must_link: ArrayLike | None,
        cannot_link: ArrayLike | None,
        max_cluster_size: int | None,
        granularity: float,
        random_state: int,
        show_progress: bool,
    ) -> Clustering:
        joined, parted = (
            None if pairs is None else check_pairs(pairs, _num_samples(X), name=name)
            for name, pairs in (("must_link", must_link), ("cannot_link", cannot_link))
        )
        return cluster_embeddings(  # all arguments by name: a call with ** would hold them until it returns
            self._checked(X, model),  # not held here, so that it is freed as soon as its distinct rows are taken
            model,
            settings,
            must_link=joined,
            cannot_link=parted,
            max_cluster_size=max_cluster_size,
            granularity=granularity,
            random_state=random_state,
            show_progress=show_progress,
        )

    def _cluster_in_parts(
        self,
        X: ArrayLike | str | Path | Source,
        model: ClusteringModel,
        settings: ClusteringSettings,
        **parameters: Any,
    ) -> Clustering:
        from hilander.distributed.fit import fit_in_parts

        if not isinstance(X, str | Path | Source):
            validate_data(self, X, skip_check_array=True)
        clustering, self.n_features_in_ = fit_in_parts(
            X, model, settings, engine=self.engine, run_folder=self.run_folder, **parameters
        )
        return clustering
