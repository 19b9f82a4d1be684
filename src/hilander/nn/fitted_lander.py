"""A RelationalLander beside what it computed of one graph, to which new nodes are linked without computing it anew."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import torch
from torch import Tensor

from hilander.nn.relational_lander import MessageRound, RelationalLander, Summary
from hilander.nn.scatter import sum_of_triangle_products

_Seen = tuple[Tensor, Tensor, Tensor, Summary]  # edges, degrees, paths, summary: what `MessageRound.advance` takes


class FittedLander:
    """Runs over a graph once, and over the edges of new nodes as if each of these were alone with that graph.

    A fitted node at the end of a new edge knows of that edge beside its own ones. The edges between fitted nodes stay
    as they were: a new node moves them little.

    Parameters
    ----------
    network : RelationalLander
    features : iterable of Tensor of shape (chunk, n_features), float32
        Of the edges, in their order, any number at a time.
    edges, triangles, degrees : Tensor
        The graph, as `RelationalLander.forward` takes it.

    Attributes
    ----------
    linkage : Tensor of shape (m,)
        Probability of each edge.
    """

    def __init__(
        self, network: RelationalLander, features: Iterable[Tensor], edges: Tensor, triangles: Tensor, degrees: Tensor
    ) -> None:
        self.network, self._degrees = network, degrees
        self._summaries: list[Summary] = []

        def see(number: int, message_round: MessageRound, states: Tensor, linkage: Tensor) -> _Seen:
            summary = message_round.summarize(states, linkage, edges, len(degrees))
            self._summaries.append(summary)
            return edges, degrees, sum_of_triangle_products(summary.channels, triangles), summary

        self.linkage = self._refine(features, see)

    def link(self, features: Tensor, edges: Tensor, triangles: Tensor, sides: Tensor, *, n_new: int) -> Tensor:
        """Return the linkage of edges between new and fitted nodes, (e,).

        Parameters
        ----------
        features : Tensor of shape (e, n_features), float32
        edges : Tensor of shape (e, 2), int64
            New node and fitted node.
        triangles, sides : Tensor of shape (t, 3), int32 and (s,), int64
            From `hilander.graph.attached_edges.attached_triangles`.
        n_new : int
        """
        fitted_ends = edges[:, 1]
        own = torch.stack([edges[:, 0], n_new + torch.arange(len(edges), device=edges.device)], dim=1)
        n = n_new + len(edges)  # each edge has the fitted node at its end for itself
        degrees = torch.bincount(own.ravel(), minlength=n).to(features.dtype)
        degrees[n_new:] += self._degrees[fitted_ends]

        def see(number: int, message_round: MessageRound, states: Tensor, linkage: Tensor) -> _Seen:
            fitted = self._summaries[number]
            summary = message_round.summarize(states, linkage, own, n)
            summary.sums[n_new:] += fitted.sums[fitted_ends]
            summary.strength[n_new:] += fitted.strength[fitted_ends]
            channels = torch.cat([summary.channels, fitted.channels[sides]])
            return own, degrees, sum_of_triangle_products(channels, triangles)[: len(own)], summary

        return self._refine([features], see)

    def _refine(self, features: Iterable[Tensor], see: Callable[[int, MessageRound, Tensor, Tensor], _Seen]) -> Tensor:
        """Run the rounds of `RelationalLander.forward`, in which edges see what they are shown."""
        network = self.network
        with torch.inference_mode():
            states = torch.cat([network.eval().first_states(chunk) for chunk in features])
            first, *readouts = network.readouts
            linkage = first(states)[:, 0].sigmoid()
            for number, (message_round, readout) in enumerate(zip(network.rounds, readouts, strict=True)):
                assert isinstance(message_round, MessageRound)
                states = message_round.advance(states, *see(number, message_round, states, linkage))
                linkage = readout(states)[:, 0].sigmoid()
        return linkage
