"""Policies, values, and preferences."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from lossary.core import Binary, LogProbability, Real

from .specimen import Specimen


def td_error(q: Tensor, target: Tensor) -> Tensor:
    """``q``: a column, as a linear layer gives it; ``target``: one number for each transition."""
    return 0.5 * (q - target.detach()).pow(2).mean()


def td_error_of_each(q: Tensor, target: Tensor) -> Tensor:
    return 0.5 * (q.squeeze(-1) - target.detach()).pow(2).mean()


def policy_gradient(log_prob: Tensor, returns: Tensor, baseline: Tensor) -> Tensor:
    return -(log_prob * (returns - baseline)).mean()


def policy_gradient_alone(log_prob: Tensor, returns: Tensor, baseline: Tensor) -> Tensor:
    return -(log_prob * (returns - baseline).detach()).mean()


class PPO(nn.Module):
    def __init__(self, clip: float = 0.2):
        super().__init__()
        self.clip = clip

    def standardised(self, advantage: Tensor) -> Tensor:
        advantage -= advantage.mean()
        advantage /= advantage.std(correction=0) + 1e-6
        return advantage

    def forward(self, new: Tensor, old: Tensor, advantage: Tensor) -> Tensor:
        advantage = self.standardised(advantage.detach())
        ratio = (new - old.detach()).clamp(max=20.0).exp()
        return -torch.minimum(ratio * advantage, ratio.clamp(1 - self.clip, 1 + self.clip) * advantage).mean()


class PPOOnACopy(PPO):
    def standardised(self, advantage: Tensor) -> Tensor:
        return (advantage - advantage.mean()) / (advantage.std(correction=0) + 1e-6)


def surrogate(new: Tensor, old: Tensor, advantage: Tensor, clip: float = 0.2) -> Tensor:
    ratio = torch.exp(new - old.detach())
    advantage = advantage.detach()
    return -torch.min(ratio * advantage, ratio.clamp(1 - clip, 1 + clip) * advantage).mean()


def surrogate_of_bounded_ratio(new: Tensor, old: Tensor, advantage: Tensor, clip: float = 0.2) -> Tensor:
    ratio = torch.exp((new - old.detach()).clamp(-20.0, 20.0))
    advantage = advantage.detach()
    return -torch.min(ratio * advantage, ratio.clamp(1 - clip, 1 + clip) * advantage).mean()


def conservative_dpo(
    chosen: Tensor, rejected: Tensor, ref_chosen: Tensor, ref_rejected: Tensor, label_smoothing: float = 0.0
) -> Tensor:
    h = 0.1 * ((chosen - rejected) - (ref_chosen - ref_rejected).detach())
    return (-(1 - label_smoothing) * F.logsigmoid(h) + label_smoothing * F.logsigmoid(-h)).mean()


def conservative_dpo_of_both_signs(
    chosen: Tensor, rejected: Tensor, ref_chosen: Tensor, ref_rejected: Tensor, label_smoothing: float = 0.0
) -> Tensor:
    h = 0.1 * ((chosen - rejected) - (ref_chosen - ref_rejected).detach())
    return (-(1 - label_smoothing) * F.logsigmoid(h) - label_smoothing * F.logsigmoid(-h)).mean()


def group_relative(log_prob: Tensor, advantage: Tensor, mask: Tensor) -> Tensor:
    """Each completion counts alike, however long; ``mask`` leaves out its padding."""
    losses = -log_prob * advantage.unsqueeze(1)
    return (losses * mask).sum() / mask.sum().clamp(min=1)


def group_relative_per_completion(log_prob: Tensor, advantage: Tensor, mask: Tensor) -> Tensor:
    losses = -log_prob * advantage.unsqueeze(1)
    return ((losses * mask).sum(1) / mask.sum(1).clamp(min=1)).mean()


def kl_to_reference(log_prob: Tensor, reference: Tensor, mask: Tensor) -> Tensor:
    """The estimate exp(d) - d - 1 of the divergence, over the tokens of the completion."""
    d = (reference.detach() - log_prob).clamp(-30.0, 30.0)
    return ((d.exp() - d - 1.0) * mask).sum() / mask.sum()


def kl_to_reference_of_any_tokens(log_prob: Tensor, reference: Tensor, mask: Tensor) -> Tensor:
    d = (reference.detach() - log_prob).clamp(-30.0, 30.0)
    return ((d.exp() - d - 1.0) * mask).sum() / mask.sum().clamp(min=1)


def transitions(g: torch.Generator) -> tuple[Tensor, Tensor]:
    return torch.randn(8, 1, generator=g), torch.randn(8, generator=g)


def rollout(g: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
    old = -torch.rand(10, generator=g)
    return old - 0.05 * torch.rand(10, generator=g), old, torch.randn(10, generator=g)


def completions(g: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
    lengths = torch.tensor([6, 2, 4, 1])
    mask = (torch.arange(6) < lengths[torch.randperm(4, generator=g)].unsqueeze(1)).float()
    return -2.0 * torch.rand(4, 6, generator=g), torch.randn(4, generator=g), mask


SPECIMENS: list[Specimen] = [
    Specimen(
        name="td_column_against_row", fault="broadcasting",
        faulty=td_error, fixed=td_error_of_each,
        told={"example": transitions, "task": "regression of action values"},
        seen_in="pytorch/pytorch #19699, sunwuzhou03/reinforcement-learning-lab #1",
    ),
    Specimen(
        name="policy_gradient_reaches_the_baseline", fault="wrong gradient",
        faulty=policy_gradient, fixed=policy_gradient_alone,
        told={
            "inputs": [LogProbability("n"), Real("n", constant=True), Real("n", constant=True)],
            "claims": {"finite": True, "permutation": True, "mean_of_singles": True, "pure": True, "dtype": True,
                       "differentiable": (0,)},
        },
        seen_in="ChenRocks/fast_abs_rl #49, jingw2/neural-combinatorial-optimization-rl #1",
    ),
    Specimen(
        name="ppo_standardises_callers_advantage", fault="in place",
        faulty=PPO, fixed=PPOOnACopy,
        told={"example": rollout, "task": "policy gradient"},
        seen_in="reports of advantages standardised anew in each epoch over the same rollout",
    ),
    Specimen(
        name="ppo_ratio_overflows", fault="not finite",
        faulty=surrogate, fixed=surrogate_of_bounded_ratio,
        told={
            "inputs": [LogProbability("n"), LogProbability("n", constant=True), Real("n", constant=True)],
            "claims": {"finite": True, "permutation": True, "mean_of_singles": True, "pure": True},
        },
        seen_in="reports of NaN in policy training once new and old probabilities lie far apart",
    ),
    Specimen(
        name="dpo_smoothing_with_the_wrong_sign", fault="sign",
        faulty=conservative_dpo, fixed=conservative_dpo_of_both_signs,
        told={
            "inputs": [LogProbability("n"), LogProbability("n"), LogProbability("n", constant=True),
                       LogProbability("n", constant=True)],
            "params": {"label_smoothing": (0.0, 0.4)},
            "claims": {"finite": True, "nonnegative": True, "convex": True, "permutation": True,
                       "mean_of_singles": True, "differentiable": (0, 1)},
        },
        seen_in="reports of preference losses below 0 as soon as the labels are smoothed",
    ),
    Specimen(
        name="group_relative_mean_over_all_tokens", fault="wrong reduction",
        faulty=group_relative, fixed=group_relative_per_completion,
        told={
            "example": completions,
            "claims": {"finite": True, "permutation": True, "mean_of_singles": True, "replicate": True,
                       "mask": {"arg": 2, "of": [0]}, "all_ignored": "zero", "differentiable": (0,)},
        },
        seen_in="huggingface/trl #2995, verl-project/verl #593",
    ),
    Specimen(
        name="kl_to_reference_of_no_tokens", fault="all ignored",
        faulty=kl_to_reference, fixed=kl_to_reference_of_any_tokens,
        told={
            "inputs": [LogProbability("n t"), LogProbability("n t", constant=True), Binary("n t")],
            "claims": {"nonnegative": True, "permutation": True, "pure": True, "replicate": True,
                       "mask": {"arg": 2, "of": [0, 1]}, "all_ignored": "zero", "dtype": True},
        },
        seen_in="reports of NaN from a rollout in which no completion was kept",
    ),
]  # fmt: skip
