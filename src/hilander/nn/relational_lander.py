"""LANDER on relational edge features: one network that predicts linkage and, from the same linkages, density."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from hilander.nn.linear import Linear
from hilander.nn.scatter import sum_at_ends, sum_of_triangle_products, take_at_ends
from hilander.nn.standardized_inputs import StandardizedInputs

_EDGES_PER_CHUNK = 1 << 18  # bounds the widest temporary, (edges, 92) float32, to 100 MB
_EDGES_IN_CACHE = 1 << 12  # keeps it in the processor's cache: twice as fast
_EDGES_WITH_GRADIENTS = 1 << 14  # a tenth faster; of all else a step keeps pieces of one size, which fit the next one
LARGEST_INPUT = 6.0  # standard deviations
_TYPICAL_DEGREE = 20.0


class RelationalLander(StandardizedInputs):
    """Predict, for each edge, the probability that its ends are of one class, and each node's density.

    Edge states start from relational features and are refined in rounds of message passing over nodes and triangles
    (`MessageRound`). Every round reads out a linkage; the density is the last one's (Hi-LANDER, ICCV 2021, eq. 3)::

        density_i = mean over edges e = {i, j} of  max(similarity_e, 0) · (2 linkage_e − 1)

    Parameters
    ----------
    n_features : int
        Width of the edge features; the first one is the cosine similarity.
    hidden : int
        Width of the edge states.
    n_rounds : int
        Rounds of message passing.
    n_channels : int
        Learned triangle channels beside the linkage itself.
    width : int
        Width of the hidden layer of each perceptron.
    dropout : float
        Share of hidden units dropped in training.
    """

    def __init__(
        self,
        n_features: int,
        *,
        hidden: int = 24,
        n_rounds: int = 2,
        n_channels: int = 4,
        width: int = 64,
        dropout: float = 0.0,
    ):
        super().__init__(n_features, largest=LARGEST_INPUT)
        self.settings = {
            "n_features": n_features,
            "hidden": hidden,
            "n_rounds": n_rounds,
            "n_channels": n_channels,
            "width": width,
            "dropout": dropout,
        }
        self.encode = nn.Sequential(Linear(n_features, width), nn.ReLU(), nn.Dropout(dropout), Linear(width, hidden))
        self.rounds = nn.ModuleList(MessageRound(hidden, n_channels, width, dropout) for _ in range(n_rounds))
        self.readouts = nn.ModuleList(nn.Linear(hidden, 1, dtype=torch.float32) for _ in range(n_rounds + 1))

    def forward(
        self, features: Tensor, edges: Tensor, triangles: Tensor, degrees: Tensor
    ) -> tuple[list[Tensor], Tensor]:
        """Return the linkage logits of every round, the last one final, and the densities.

        Parameters
        ----------
        features : Tensor of shape (m, n_features), float32
            Relational features, not standardised.
        edges : Tensor of shape (m, 2), int64
            The pairs of nodes that they describe.
        triangles : Tensor of shape (t, 3), int32
            Rows of `edges` that form triangles.
        degrees : Tensor of shape (n,), float32
            Edges at each node; on a part of a graph those in the whole.

        Returns
        -------
        list of n_rounds + 1 Tensors of shape (m,), and Tensor of shape (n,), float32
        """
        states = self.first_states(features)
        logits = [self.readouts[0](states)[:, 0]]
        for message_round, readout in zip(self.rounds, list(self.readouts)[1:], strict=True):
            states = message_round(states, logits[-1].sigmoid(), edges, triangles, degrees)
            logits.append(readout(states)[:, 0])
        affinity = features[:, 0].clamp(min=0)
        signed = affinity * (2 * logits[-1].sigmoid() - 1)
        density = sum_at_ends(signed[:, None], edges, len(degrees))[:, 0] / degrees.clamp(min=1)
        return logits, density

    def first_states(self, features: Tensor) -> Tensor:
        """Return the edge states (m, hidden) that the rounds start from."""
        features = features[:, : self.n_features]  # trained before the last of them were known: on the first ones
        return torch.cat([self.encode(self.standardize(chunk)) for chunk in features.split(_chunk_size(features))])


class Summary(NamedTuple):
    """What one round knows of the graph before it updates the edges, as the formulas of `MessageRound` name it.

    Attributes
    ----------
    sums : Tensor of shape (n, 2 hidden + 1)
        S_i of relu(h), p·relu(h) and p.
    channels : Tensor of shape (m, n_channels + 1)
        q.
    strength : Tensor of shape (n, n_channels + 1)
        s.
    """

    sums: Tensor
    channels: Tensor
    strength: Tensor


class MessageRound(nn.Module):
    """One residual update of the edge states h from the nodes and the triangles that they belong to.

    With p the linkage so far and S_i the sum over the edges at node i::

        node      n_i = ReLU(W [S_i relu(h) / degree_i ; S_i p·relu(h) / (S_i p + .1) ; S_i p / 20 ; log(degree_i) / 3])
        channels  q   = [p ; σ(Q h)],  T_ij = Σ_m q_im q_mj,  s_i = S_i q
        update    h  += MLP(LayerNorm[h ; n_i + n_j ; |n_i − n_j| ; log(1 + T) ; T / (min(s_i, s_j) − q + .3) ;
                                      T / (s_i + s_j − 2q − T + .3) ; q])

    The two ratios are the overlap and the Jaccard coefficient of the ends' likely class mates.
    """

    def __init__(self, hidden: int, n_channels: int, width: int, dropout: float):
        super().__init__()
        self.to_channels = Linear(hidden, n_channels)
        self.to_node = Linear(2 * hidden + 2, hidden)
        n_inputs = 3 * hidden + 4 * (n_channels + 1)
        self.update = nn.Sequential(
            nn.LayerNorm(n_inputs, dtype=torch.float32),
            Linear(n_inputs, width),
            nn.ReLU(),
            nn.Dropout(dropout),
            Linear(width, hidden),
        )

    def forward(self, states: Tensor, linkage: Tensor, edges: Tensor, triangles: Tensor, degrees: Tensor) -> Tensor:
        """Return the next states (m, hidden) from `states` (m, hidden) and `linkage` (m,)."""
        summary = self.summarize(states, linkage, edges, len(degrees))
        paths = sum_of_triangle_products(summary.channels, triangles)
        return self.advance(states, edges, degrees, paths, summary)

    def summarize(self, states: Tensor, linkage: Tensor, edges: Tensor, n_nodes: int) -> Summary:
        """Return what the edges say of the nodes at their ends, and show of themselves in triangles."""
        sums = torch.zeros((), dtype=states.dtype, device=states.device)
        for chunk, p, ends in zip(
            *(each.split(_EDGES_PER_CHUNK) for each in (states, linkage[:, None], edges)), strict=True
        ):
            active = chunk.relu()
            sums = sums + sum_at_ends(torch.cat([active, active * p, p], dim=1), ends, n_nodes)
        channels = torch.cat([linkage[:, None], self.to_channels(states).sigmoid()], dim=1)
        return Summary(sums, channels, sum_at_ends(channels, edges, n_nodes))

    def advance(self, states: Tensor, edges: Tensor, degrees: Tensor, paths: Tensor, summary: Summary) -> Tensor:
        """Return the next states, with T in `paths` (m, n_channels + 1)."""
        nodes = self.nodes(summary.sums, degrees[:, None].clamp(min=1))
        next_states, chunk = [], _chunk_size(states)
        for start in range(0, max(len(states), 1), chunk):
            rows = slice(start, start + chunk)
            channels = summary.channels[rows]
            next_states.append(
                self._next_states(states[rows], edges[rows], channels, paths[rows], nodes, summary.strength)
            )
        return torch.cat(next_states)

    def nodes(self, sums: Tensor, degrees: Tensor) -> Tensor:
        """Return n (n, hidden) from the sums of `Summary` and the degrees (n, 1), at least 1."""
        hidden = (sums.shape[1] - 1) // 2
        plain, weighted, mass = sums.split([hidden, hidden, 1], dim=1)
        summary = [plain / degrees, weighted / (mass + 0.1), mass / _TYPICAL_DEGREE, degrees.log() / 3]
        return self.to_node(torch.cat(summary, dim=1)).relu()

    def _next_states(
        self, states: Tensor, edges: Tensor, channels: Tensor, paths: Tensor, nodes: Tensor, strength: Tensor
    ) -> Tensor:
        first, second = take_at_ends(nodes, edges)
        strength_first, strength_second = take_at_ends(strength, edges)
        smaller = torch.minimum(strength_first, strength_second) - channels
        union = strength_first + strength_second - 2 * channels - paths
        inputs = [
            states,
            first + second,
            (first - second).abs(),
            paths.log1p(),
            paths / (smaller + 0.3),
            paths / (union + 0.3),
            channels,
        ]
        return states + self.update(torch.cat(inputs, dim=1))


def _chunk_size(values: Tensor) -> int:
    """Edges that are worked on at once; GPUs want long chunks."""
    if values.device.type != "cpu":
        return _EDGES_PER_CHUNK
    return _EDGES_WITH_GRADIENTS if torch.is_grad_enabled() else _EDGES_IN_CACHE
