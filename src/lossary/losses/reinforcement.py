"""Losses for policies and values that learn from rewards.

:func:`lossary.linear_log_probs` makes log-probabilities of tokens without their logits.
"""

from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F
from typing_extensions import Unpack

from lossary.core import (
    Binary,
    Card,
    Fraction,
    Logit,
    LogProbability,
    LossInputError,
    ManyLoss,
    NonNegative,
    OpenFraction,
    PairLoss,
    Positive,
    PositiveInt,
    Real,
    Reduce,
    SingleLoss,
    TripletLoss,
    When,
    loss,
    reduce,
)

from .regression import huber_loss, mse_loss

__all__ = [
    "ClippedValueLoss", "GRPOLoss", "NegativeEntropyLoss", "PPOClipLoss", "PolicyGradientLoss", "TDLoss",
    "clipped_value_loss", "grpo_loss", "negative_entropy_loss", "policy_gradient_loss", "ppo_clip_loss", "td_loss",
]  # fmt: skip

_LARGE = 50.0
"""Beyond this the exponential of a log-ratio goes on as its tangent: finite in float32, and still with a slope."""

_STD_FLOOR = 1e-4
"""Added to the deviation of the rewards of a group, so that nearly equal rewards give no huge advantages."""


def _ratio(log_ratio: Tensor) -> Tensor:
    """The exponential, without overflow."""
    return torch.exp(log_ratio.clamp(max=_LARGE)) * (1.0 + torch.relu(log_ratio - _LARGE))


def _clipped_surrogate(ratio: Tensor, advantage: Tensor, clip: float, clip_high: float | None) -> Tensor:
    """The pessimistic of the plain and the clipped gain, as a loss."""
    clipped = ratio.clamp(1.0 - clip, 1.0 + (clip if clip_high is None else clip_high))
    return -torch.minimum(ratio * advantage, clipped * advantage)


@loss(
    Card(
        task="reinforcement learning",
        inputs=[LogProbability("*n"), Real("*n", constant=True)],
        values="*n",
        claims={"convex", "bounded_gradient", "smooth"},
        formula=r"-\hat A \log \pi(a \mid s)",
        source="doi:10.1007/BF00992696, eq. 11",
        bad_at={"unstable training"},
        known_as=("REINFORCE", "policy gradient", "REINFORCE / policy gradient", "vanilla policy gradient"),
        elsewhere={"RLax": "policy_gradient_loss; takes logits and the index of the action"},
    )
)  # fmt: skip
def policy_gradient_loss(log_probs: Tensor, advantage: Tensor, **how: Unpack[Reduce]) -> Tensor:
    """Log-probability of the action taken, weighed by how much better than expected it turned out.

    Only its gradient means something: the value may be negative, and does not fall as the policy improves.

    Args:
        log_probs: Log-probability of each action under the policy, any shape ``(*n)``.
        advantage: Return less a baseline, the same shape; constant.

    >>> policy_gradient_loss(torch.tensor([-1.0, -2.0]), torch.tensor([0.5, -1.0]), reduction="none")
    tensor([ 0.5000, -2.0000])
    """
    return reduce(-log_probs * advantage.detach(), **how)


class PolicyGradientLoss(PairLoss, of=policy_gradient_loss):
    """Module form of :func:`policy_gradient_loss`."""


@loss(
    Card(
        task="reinforcement learning",
        inputs=[LogProbability("*n"), LogProbability("*n", constant=True), Real("*n", constant=True)],
        values="*n",
        formula=r"-\min\big(r \hat A,\ \mathrm{clip}(r, 1 - \epsilon, 1 + \epsilon_\mathrm{high}) \hat A\big), \quad"
                r" r = \pi / \pi_\mathrm{old}",
        source="arXiv:1707.06347, eq. 7",
        settings=[{"clip": 0.1}, {"clip": 0.2, "clip_high": 0.28}],
        tune={"clip": (0.1, 0.2, 0.3)},
        good_at={"unstable training"},
        known_as=("PPO clip", "PPO", "clipped surrogate"),
        elsewhere={
            "RLax": "clipped_surrogate_pg_loss; takes the ratio; clip is epsilon",
            "TRL": "PPOTrainer; clip is cliprange",
            "OpenRLHF": "PolicyLoss; clip is clip_eps_low and clip_eps_high; holds log-ratios within 20",
        },
    )
)  # fmt: skip
def ppo_clip_loss(
    log_probs: Tensor,
    old_log_probs: Tensor,
    advantage: Tensor,
    *,
    clip: OpenFraction = 0.2,
    clip_high: Positive | None = None,
    **how: Unpack[Reduce],
) -> Tensor:
    r"""Policy gradient that stops pushing an action once its probability has changed by more than ``clip``.

    It allows several steps on the same data. Where the change has made things worse it goes on pulling back, at any
    ratio; log-ratios above 50 count as the tangent there, so that nothing overflows.

    Args:
        log_probs: Log-probability of each action under the policy, any shape ``(*n)``.
        old_log_probs: The same under the policy that acted, the same shape; constant.
        advantage: Return less a baseline, the same shape; constant.
        clip: How far the ratio of the probabilities may fall below 1, and rise above it unless ``clip_high`` is given.
        clip_high: How far the ratio may rise above 1 ("clip higher", DAPO); ``None`` for ``clip``.

    >>> ppo_clip_loss(torch.tensor([1.5, 0.5]).log(), torch.zeros(2), torch.ones(2), reduction="none")
    tensor([-1.2000, -0.5000])
    """
    ratio = _ratio(log_probs - old_log_probs.detach())
    return reduce(_clipped_surrogate(ratio, advantage.detach(), clip, clip_high), **how)


class PPOClipLoss(TripletLoss, of=ppo_clip_loss):
    """Module form of :func:`ppo_clip_loss`."""

    clip: OpenFraction = 0.2
    clip_high: Positive | None = None


@loss(
    Card(
        task="reinforcement learning",
        inputs=[Real("*n"), Real("*n", constant=True), Real("*n", constant=True)],
        values="*n",
        claims={"nonnegative", "convex"},
        formula=r"\tfrac12 \max\big((v - R)^2,\ (\mathrm{clip}(v, v_\mathrm{old} - \epsilon, v_\mathrm{old} + \epsilon)"
                r" - R)^2\big)",
        source="OpenAI Baselines, ppo2 (2017); arXiv:2005.12729, sec. 3",
        settings=[{"clip": 0.5}],
        tune={"clip": (0.1, 0.2, 0.5)},
        good_at={"unstable training"},
        bad_at={"outliers"},
        known_as=("PPO value clip", "clipped value loss", "value clipping"),
        elsewhere={
            "OpenRLHF": "ValueLoss(clip_eps); the same value",
            "TRL": "PPOTrainer; clip is cliprange_value",
        },
    )
)  # fmt: skip
def clipped_value_loss(
    value: Tensor, old_value: Tensor, target: Tensor, *, clip: Positive = 0.2, **how: Unpack[Reduce]
) -> Tensor:
    """Half the squared error of a value estimate that gains nothing by moving more than ``clip`` in one update.

    Args:
        value: Estimated value of each state, any shape ``(*n)``.
        old_value: The estimate at the time of acting, the same shape; constant.
        target: The return to be estimated, the same shape; constant.
        clip: How far from ``old_value`` a move still counts, in units of the return.

    >>> clipped_value_loss(torch.tensor([0.5]), torch.zeros(1), torch.ones(1))  # counts as 0.2: half of 0.8 squared
    tensor(0.3200)
    """
    old_value, target = old_value.detach(), target.detach()
    clipped = old_value + (value - old_value).clamp(-clip, clip)
    return reduce(0.5 * torch.maximum((value - target) ** 2, (clipped - target) ** 2), **how)


class ClippedValueLoss(TripletLoss, of=clipped_value_loss):
    """Module form of :func:`clipped_value_loss`."""

    clip: Positive = 0.2


@loss(
    Card(
        task="reinforcement learning",
        inputs=[Real("*n"), Real("*n", constant=True), Real("*n", constant=True), Binary("*n")],
        values="*n",
        claims={"nonnegative", "convex", "smooth", When("bounded_gradient", "delta is not None")},
        formula=r"\ell\big(r + \gamma (1 - d) v' - v\big), \quad \ell(x) = \tfrac12 x^2 \text{ or Huber}",
        source="doi:10.1007/BF00115009; Sutton & Barto, Reinforcement Learning (2018), sec. 9.3",
        settings=[{"discount": 0.9}, {"delta": 1.0}],
        tune={"discount": (0.9, 0.99, 0.999)},
        good_at={"smooth optimisation", "memory"},
        bad_at={"outliers", "unstable training"},
        known_as=("TD error", "TD(0)", "temporal difference", "semi-gradient TD", "DQN loss"),
        elsewhere={
            "RLax": "td_learning gives the error, l2_loss of it this value; its discount is 0 at an end, for done here",
        },
    )
)  # fmt: skip
def td_loss(
    value: Tensor,
    reward: Tensor,
    next_value: Tensor,
    done: Tensor,
    *,
    discount: Fraction = 0.99,
    delta: Positive | None = None,
    **how: Unpack[Reduce],
) -> Tensor:
    """Error of a value against the reward plus the discounted value that follows: half its square, or Huber's loss.

    No gradient flows into ``next_value`` (semi-gradient): pass the value of the next state, or for Q-learning the value
    of the best next action, of the same or a target network.

    Args:
        value: Estimated value of each state or of the action taken there, any shape ``(*n)``.
        reward: Reward of the step, the same shape; constant.
        next_value: Estimated value after the step, the same shape; constant.
        done: 1 where the episode ended with the step, so that nothing follows, else 0; the same shape.
        discount: What a reward one step later is worth, in [0, 1].
        delta: The error at which the square becomes a line, see :func:`lossary.huber_loss`; ``None`` for none.

    >>> td_loss(*torch.tensor([[1.0], [1.0], [10.0], [0.0]]), discount=0.5)  # half of (1 + 5 - 1) squared
    tensor(12.5000)
    """
    target = (reward + discount * (1.0 - done) * next_value).detach()
    if delta is None:
        return reduce(0.5 * mse_loss(value, target, reduction="none"), **how)
    return huber_loss(value, target, delta=delta, **how)


class TDLoss(ManyLoss, of=td_loss):
    """Module form of :func:`td_loss`."""

    discount: Fraction = 0.99
    delta: Positive | None = None


@loss(
    Card(
        task="reinforcement learning",
        inputs=[Logit("n c *d | c")],
        values="n *d | ",
        claims={"at_most_one", "bounded_gradient", "redescending", "smooth", "shift_invariant"},
        formula=r"\sum_k p_k \log p_k",
        source="doi:10.1080/09540099108946587; arXiv:1602.01783, sec. 4",
        good_at={"mode collapse", "overconfidence"},
        known_as=("entropy bonus", "negative entropy", "entropy regularisation"),
        elsewhere={"RLax": "entropy_loss; the same mean"},
    )
)  # fmt: skip
def negative_entropy_loss(logits: Tensor, **how: Unpack[Reduce]) -> Tensor:
    """Negative entropy of a policy's choice: added to its loss with a small weight, it keeps the policy exploring.

    From ``-log(c)``, where all choices are as likely, up to 0, where one is certain.

    Args:
        logits: Scores of the actions before the softmax, ``(n, c, *d)``, or ``(c,)`` for one sample.

    >>> negative_entropy_loss(torch.zeros(1, 2))
    tensor(-0.6931)
    """
    axis = min(1, logits.ndim - 1)
    log_probs = F.log_softmax(logits, axis)
    return reduce((log_probs.exp() * log_probs).sum(axis), **how)


class NegativeEntropyLoss(SingleLoss, of=negative_entropy_loss):
    """Module form of :func:`negative_entropy_loss`."""


@loss(
    Card(
        task=("reinforcement learning", "preference learning"),
        inputs=[LogProbability("n g t"), LogProbability("n g t", constant=True), LogProbability("n g t", constant=True),
                Real("n g", constant=True), Binary("n g t")],
        values="n",
        formula=r"\frac1G \sum_i \frac{1}{|o_i|} \sum_t \Big[ -\min\big(r_{it} \hat A_i,\ \mathrm{clip}(r_{it},"
                r" 1 - \epsilon, 1 + \epsilon) \hat A_i\big) + \beta \big(e^{k_{it}} - k_{it} - 1\big) \Big], \quad"
                r" \hat A_i = \frac{R_i - \mathrm{mean}(R)}{\mathrm{std}(R)},\ k = \log \frac{\pi_\mathrm{ref}}{\pi}",
        source="arXiv:2402.03300, eq. 3 and 4; token_average: arXiv:2503.14476, eq. 8, and arXiv:2503.20783, sec. 3",
        settings=[{"token_average": "group", "beta": 0.0, "clip_high": 0.28},
                  {"token_average": "constant", "max_length": 16, "scale_by_std": False, "beta": 0.1}],
        sizes={"g": (4,), "t": (3,)},
        tune={"beta": (0.0, 0.001, 0.04), "clip": (0.1, 0.2)},
        good_at={"memory"},
        known_as=("GRPO", "group relative policy optimization", "DAPO", "Dr. GRPO"),
        elsewhere={
            "TRL": 'GRPOTrainer; loss_type "grpo" is token_average="sequence", "dr_grpo" is "constant"; "dapo" and '
                   '"bnpo" average over the tokens of the batch: token_average="group" with the token counts of the '
                   "groups as sample_weight",
            "Liger": "LigerFusedLinearGRPOLoss; takes advantages; loss_type as in TRL",
        },
    )
)  # fmt: skip
def grpo_loss(
    log_probs: Tensor,
    old_log_probs: Tensor,
    reference_log_probs: Tensor,
    rewards: Tensor,
    token_mask: Tensor,
    *,
    clip: OpenFraction = 0.2,
    clip_high: Positive | None = None,
    beta: NonNegative = 0.04,
    token_average: Literal["sequence", "group", "constant"] = "sequence",
    max_length: PositiveInt | None = None,
    scale_by_std: bool = True,
    **how: Unpack[Reduce],
) -> Tensor:
    """PPO without a value model: the advantage of a completion is its reward against those of its group.

    A group is the completions sampled for one prompt, and gives one value. Its rewards are centred, and divided by
    their standard deviation (with n - 1, plus 1e-4). Equal rewards teach nothing. A completion without tokens is as if
    absent from its group; a group without tokens has the value 0.

    Args:
        log_probs: Log-probability of each token under the policy, for ``n`` prompts, ``g`` completions each and ``t``
            tokens, ``(n, g, t)``.
        old_log_probs: The same under the policy that sampled, ``(n, g, t)``; constant.
        reference_log_probs: The same under the reference policy, ``(n, g, t)``; constant.
        rewards: Reward of each completion, ``(n, g)``; constant.
        token_mask: 1 where a token counts, 0 where it is padding or not the policy's own, ``(n, g, t)``. What does not
            count may be anything, even NaN.
        clip: How far the ratio of the probabilities may fall below 1, and rise above it unless ``clip_high`` is given.
        clip_high: How far the ratio may rise above 1; ``None`` for ``clip``.
        beta: Weight of the divergence from the reference policy.
        token_average: "sequence" averages over the tokens of each completion, then over completions (GRPO); "group"
            over all tokens of the group (DAPO); "constant" divides the sum over the tokens of a completion by
            ``max_length``, so that its length does not change the weight of a token (Dr. GRPO).
        max_length: For "constant": the longest completion allowed; ``None`` for the ``t`` of this batch.
        scale_by_std: Whether to divide by the standard deviation of the rewards; Dr. GRPO does not.

    Raises:
        LossInputError: if ``max_length`` comes with another ``token_average`` than "constant".

    >>> same, tokens = torch.zeros(1, 2, 3), torch.tensor([[[1, 0, 0], [1, 1, 1]]])
    >>> rewards = torch.tensor([[1.0, 0.0]])  # advantages 0.5 and -0.5, of one token and of three
    >>> grpo_loss(same, same, same, rewards, tokens, scale_by_std=False, token_average="group")
    tensor(0.2500)
    """
    if max_length is not None and token_average != "constant":
        raise LossInputError(
            f'grpo_loss: `max_length` must come with token_average="constant", got token_average={token_average!r}.'
        )
    tokens = token_mask > 0
    log_probs, old, reference = (
        torch.where(tokens, x, 0.0) for x in (log_probs, old_log_probs.detach(), reference_log_probs.detach())
    )
    advantage = _group_advantage(rewards.detach(), tokens.any(-1), scale_by_std).unsqueeze(-1)
    against_reference = reference - log_probs
    divergence = _ratio(against_reference) - against_reference - 1.0
    values = _clipped_surrogate(_ratio(log_probs - old), advantage, clip, clip_high) + beta * divergence
    return reduce(_average_tokens(values, tokens, token_average, max_length), **how)


class GRPOLoss(ManyLoss, of=grpo_loss):
    """Module form of :func:`grpo_loss`."""

    clip: OpenFraction = 0.2
    clip_high: Positive | None = None
    beta: NonNegative = 0.04
    token_average: Literal["sequence", "group", "constant"] = "sequence"
    max_length: PositiveInt | None = None
    scale_by_std: bool = True


def _group_advantage(rewards: Tensor, present: Tensor, scale_by_std: bool) -> Tensor:
    """Rewards centred within each group (and scaled), over the completions that are present."""
    count = present.sum(-1, keepdim=True)
    mean = torch.where(present, rewards, 0.0).sum(-1, keepdim=True) / count.clamp(min=1)
    advantage = torch.where(present, rewards - mean, 0.0)
    if not scale_by_std:
        return advantage
    variance = advantage.square().sum(-1, keepdim=True) / (count - 1).clamp(min=1)
    return advantage / (variance.sqrt() + _STD_FLOOR)


def _average_tokens(values: Tensor, tokens: Tensor, over: str, max_length: int | None) -> Tensor:
    """One value per group from one per token."""
    values = torch.where(tokens, values, 0.0)
    lengths = tokens.sum(-1)
    completions = (lengths > 0).sum(-1).clamp(min=1)
    if over == "group":
        return values.sum((-2, -1)) / lengths.sum(-1).clamp(min=1)
    if over == "sequence":
        return (values.sum(-1) / lengths.clamp(min=1)).sum(-1) / completions
    return values.sum((-2, -1)) / (completions * (values.shape[-1] if max_length is None else max_length))
