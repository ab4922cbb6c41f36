"""Linear systems of which only products with the matrix are known."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from lossary.core import LossInputError


def conjugate_gradients(
    product: Callable[[Tensor], Tensor], right: Tensor, *, iterations: int, tolerance: float
) -> tuple[Tensor, float]:
    """Solve for a symmetric positive definite matrix; gives the solution and the relative residual.

    Hestenes and Stiefel, Methods of Conjugate Gradients for Solving Linear Systems (1952), sec. 3.

    Args:
        product: The matrix times a vector.
        right: The right-hand side, ``(n,)``.
        iterations: How many products at most.
        tolerance: At which relative residual to stop.

    Raises:
        LossInputError: if the matrix is found not to be positive definite.

    >>> matrix = torch.tensor([[2.0, 1.0], [1.0, 3.0]])
    >>> conjugate_gradients(lambda v: matrix @ v, torch.tensor([1.0, 2.0]), iterations=2, tolerance=1e-6)[0]
    tensor([0.2000, 0.6000])
    """
    solution, residual = torch.zeros_like(right), right
    direction, square = right, right.dot(right)
    goal = float(square) * tolerance**2
    if not float(square):
        return solution, 0.0
    start = float(square)
    for _ in range(iterations):
        ahead = product(direction)
        curvature = direction.dot(ahead)
        if not float(curvature) > 0.0:
            found = float(curvature / direction.dot(direction))
            raise LossInputError(
                f"MetaGradient: the training loss must be convex around the weights, got a curvature of {found:.3g}; "
                f"train further, or raise `damping` above {max(-found, 0.0):.3g}."
            )
        share = square / curvature
        solution, residual = solution + share * direction, residual - share * ahead
        last, square = square, residual.dot(residual)
        if float(square) <= goal:
            break
        direction = residual + square / last * direction
    return solution, (float(square) / start) ** 0.5
