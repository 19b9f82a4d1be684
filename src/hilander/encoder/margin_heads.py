"""The decoder of the classifier: softmax over cosines to class weights, with a margin. Thrown away after training."""

from __future__ import annotations

from torch import nn

DEFAULT_MARGINS = {
    "arcface": 28.6,  # degrees
    "subcenter_arcface": 28.6,  # degrees
    "cosface": 0.35,  # cosine
    "softmax": 0.0,
}
_SUB_CENTERS = 3  # as Deng et al. found best


def build_margin_head(
    loss: str, n_classes: int, embedding_size: int, margin: float | None = None, scale: float = 32.0
) -> nn.Module:
    """Return a module from (embeddings, labels) to the mean loss, with the class weights as its parameters.

    Parameters
    ----------
    loss : str
        ``arcface`` (Deng et al., CVPR 2019), ``subcenter_arcface`` (Deng et al., ECCV 2020: several weights a class,
        for noisy labels), ``cosface`` (Wang et al., CVPR 2018), or ``softmax`` (no margin; Zhai and Wu, BMVC 2019).
    n_classes, embedding_size : int
        Size of the class weights.
    margin : float, optional
        Degrees for the ArcFace losses, cosine for ``cosface``; None takes the usual one, `DEFAULT_MARGINS`.
    scale : float
        Factor on the cosines (the papers' s, the inverse of a temperature).

    Raises
    ------
    ValueError
        Unknown loss.
    ImportError
        pytorch-metric-learning is not installed.
    """
    if loss not in DEFAULT_MARGINS:
        raise ValueError(f"unknown encoder.loss '{loss}'; known: {', '.join(DEFAULT_MARGINS)}")
    try:
        from pytorch_metric_learning import losses
    except ImportError as error:
        raise ImportError(
            "training an encoder needs pytorch-metric-learning: pip install 'hilander[encoder]'"
        ) from error
    # Only the direction of a class weight counts, but a long vector turns slowly: start short.
    common = {"embedding_size": embedding_size, "weight_init_func": lambda weight: nn.init.normal_(weight, std=0.01)}
    if loss == "softmax":
        return losses.NormalizedSoftmaxLoss(num_classes=n_classes, temperature=1 / scale, **common)
    common |= {"num_classes": n_classes, "scale": scale, "margin": DEFAULT_MARGINS[loss] if margin is None else margin}
    if loss == "subcenter_arcface":
        return losses.SubCenterArcFaceLoss(sub_centers=_SUB_CENTERS, **common)
    return {"arcface": losses.ArcFaceLoss, "cosface": losses.CosFaceLoss}[loss](**common)
