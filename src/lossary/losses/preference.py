"""Losses that tune a policy to preferences between its outputs, from the log-probabilities of whole sequences.

The functions take one number per sequence, so they serve any model; :func:`lossary.sequence_log_probs` makes these
numbers from the logits of a language model, and :func:`lossary.linear_log_probs` those of its tokens from hidden
states, for vocabularies too large for their logits.
"""

import torch
from torch import Tensor
from torch.nn import functional as F
from typing_extensions import Unpack

from lossary.core import (
    Binary,
    Card,
    Fraction,
    LogProbability,
    ManyLoss,
    NonNegative,
    PairLoss,
    Positive,
    Real,
    Reduce,
    When,
    loss,
    reduce,
)
from lossary.kernels import Element, Elementwise, logistic, maximum

__all__ = [
    "DPOLoss", "IPOLoss", "KTOLoss", "ORPOLoss", "PreferenceHingeLoss", "SimPOLoss",
    "dpo_loss", "ipo_loss", "kto_loss", "orpo_loss", "preference_hinge_loss", "simpo_loss",
]  # fmt: skip

_FOUR = [LogProbability("n"), LogProbability("n"), LogProbability("n", constant=True),
         LogProbability("n", constant=True)]  # fmt: skip
"""Chosen and rejected under the policy, chosen and rejected under the reference."""


def _log_ratio_margin(chosen: Tensor, rejected: Tensor, reference_chosen: Tensor, reference_rejected: Tensor) -> Tensor:
    """How much more the policy prefers the chosen output than the reference does, as a difference of log-ratios."""
    return (chosen - reference_chosen.detach()) - (rejected - reference_rejected.detach())


@loss(
    Card(
        task="preference learning",
        inputs=_FOUR,
        values="n",
        claims={"nonnegative", "convex", "bounded_gradient", "smooth"},
        formula=r"-(1 - \epsilon) \log \sigma(\beta h) - \epsilon \log \sigma(-\beta h), \quad"
                r" h = \log \frac{\pi(y_w)}{\pi_\mathrm{ref}(y_w)} - \log \frac{\pi(y_l)}{\pi_\mathrm{ref}(y_l)}",
        source="arXiv:2305.18290, eq. 7",
        settings=[{"beta": 0.5}, {"label_smoothing": 0.1}],
        tune={"beta": (0.01, 0.1, 0.5)},
        good_at={"smooth optimisation"},
        bad_at={"label noise", "overconfidence"},
        known_as=("DPO", "DPO (sigmoid)", "direct preference optimization", "cDPO", "conservative DPO"),
        elsewhere={
            "TRL": 'DPOTrainer, loss_type="sigmoid"; the same value, label_smoothing too',
            "Liger": "LigerFusedLinearDPOLoss; takes hidden states and the output layer instead of log-probabilities",
            "OpenRLHF": "DPOLoss; the same value",
        },
    )
)  # fmt: skip
def dpo_loss(
    chosen_log_probs: Tensor,
    rejected_log_probs: Tensor,
    reference_chosen_log_probs: Tensor,
    reference_rejected_log_probs: Tensor,
    *,
    beta: Positive = 0.1,
    label_smoothing: Fraction = 0.0,
    **how: Unpack[Reduce],
) -> Tensor:
    """Logistic loss of how much more the policy prefers the chosen output to the rejected than the reference does.

    It trains on preference pairs without a reward model. It falls without end as the margin grows, so preferences that
    never contradict one another drive the policy far from the reference; ``label_smoothing`` gives it a minimum, and
    :func:`ipo_loss` a target.

    Args:
        chosen_log_probs: Log-probability of each chosen output under the policy, summed over its tokens, ``(n,)``.
        rejected_log_probs: The same of the rejected output, ``(n,)``.
        reference_chosen_log_probs: That of the chosen output under the reference policy, ``(n,)``; constant.
        reference_rejected_log_probs: That of the rejected output under the reference policy, ``(n,)``; constant.
        beta: How strongly the policy is held to the reference; smaller lets it move farther.
        label_smoothing: Chance that a preference is the wrong way round, in [0, 1] and sensibly below 0.5 (conservative
            DPO, Mitchell 2023).

    >>> dpo_loss(*torch.tensor([[-10.0], [-20.0], [-15.0], [-15.0]]))  # beta * (5 + 5) is 1
    tensor(0.3133)
    """
    margin = beta * _log_ratio_margin(
        chosen_log_probs, rejected_log_probs, reference_chosen_log_probs, reference_rejected_log_probs
    )
    # -log sigmoid(h) is softplus(-h), and softplus(h) = h + softplus(-h).
    return reduce(F.softplus(-margin) + label_smoothing * margin, **how)


class DPOLoss(ManyLoss, of=dpo_loss):
    """Module form of :func:`dpo_loss`."""

    beta: Positive = 0.1
    label_smoothing: Fraction = 0.0


@loss(
    Card(
        task="preference learning",
        inputs=_FOUR,
        values="n",
        claims={"nonnegative", "convex", "smooth"},
        formula=r"\Big(h - \frac{1}{2\beta}\Big)^2, \quad"
                r" h = \log \frac{\pi(y_w)}{\pi_\mathrm{ref}(y_w)} - \log \frac{\pi(y_l)}{\pi_\mathrm{ref}(y_l)}",
        source="arXiv:2310.12036, eq. 17",
        settings=[{"beta": 0.5}],
        tune={"beta": (0.01, 0.1, 0.5)},
        good_at={"overconfidence", "smooth optimisation"},
        bad_at={"outliers"},
        known_as=("IPO", "identity preference optimization"),
        elsewhere={
            "TRL": 'DPOTrainer, loss_type="ipo"; of log-probabilities averaged over the tokens, as its authors advise',
            "OpenRLHF": "DPOLoss(ipo=True); the same value",
        },
    )
)  # fmt: skip
def ipo_loss(
    chosen_log_probs: Tensor,
    rejected_log_probs: Tensor,
    reference_chosen_log_probs: Tensor,
    reference_rejected_log_probs: Tensor,
    *,
    beta: Positive = 0.1,
    **how: Unpack[Reduce],
) -> Tensor:
    r"""Squared error of the preference margin from a set target: the policy stops once it prefers enough.

    Args:
        chosen_log_probs: Log-probability of each chosen output under the policy, ``(n,)``.
        rejected_log_probs: The same of the rejected output, ``(n,)``.
        reference_chosen_log_probs: That of the chosen output under the reference policy, ``(n,)``; constant.
        reference_rejected_log_probs: That of the rejected output under the reference policy, ``(n,)``; constant.
        beta: Strength of the hold to the reference, called :math:`\tau` in the paper; the target margin is 1/(2 beta).

    >>> ipo_loss(*torch.tensor([[-10.0], [-14.0], [-12.0], [-12.0]]), beta=0.1)  # 2 + 2 against 5
    tensor(1.)
    """
    margin = _log_ratio_margin(
        chosen_log_probs, rejected_log_probs, reference_chosen_log_probs, reference_rejected_log_probs
    )
    return reduce((margin - 1.0 / (2.0 * beta)) ** 2, **how)


class IPOLoss(ManyLoss, of=ipo_loss):
    """Module form of :func:`ipo_loss`."""

    beta: Positive = 0.1


@loss(
    Card(
        task="preference learning",
        inputs=_FOUR,
        values="n",
        claims={"nonnegative", "convex", "bounded_gradient"},
        formula=r"\max(0, 1 - \beta h), \quad"
                r" h = \log \frac{\pi(y_w)}{\pi_\mathrm{ref}(y_w)} - \log \frac{\pi(y_l)}{\pi_\mathrm{ref}(y_l)}",
        source="arXiv:2309.06657 (hinge-norm)",
        settings=[{"beta": 0.5}],
        tune={"beta": (0.01, 0.1, 0.5)},
        good_at={"large margins", "overconfidence"},
        bad_at={"label noise", "smooth optimisation"},
        known_as=("RSO", "hinge-norm", "DPO hinge", "SLiC with a reference"),
        elsewhere={"TRL": 'DPOTrainer, loss_type="hinge"; the same value', "torchtune": "RSOLoss; beta is its gamma"},
    )
)  # fmt: skip
def preference_hinge_loss(
    chosen_log_probs: Tensor,
    rejected_log_probs: Tensor,
    reference_chosen_log_probs: Tensor,
    reference_rejected_log_probs: Tensor,
    *,
    beta: Positive = 0.1,
    **how: Unpack[Reduce],
) -> Tensor:
    """Hinge loss of the preference margin: :func:`dpo_loss` with a support vector machine for the logistic regression.

    Args:
        chosen_log_probs: Log-probability of each chosen output under the policy, ``(n,)``.
        rejected_log_probs: The same of the rejected output, ``(n,)``.
        reference_chosen_log_probs: That of the chosen output under the reference policy, ``(n,)``; constant.
        reference_rejected_log_probs: That of the rejected output under the reference policy, ``(n,)``; constant.
        beta: The margin at which a pair falls silent is 1/beta.

    >>> preference_hinge_loss(*torch.tensor([[-10.0], [-14.0], [-12.0], [-12.0]]), beta=0.1)  # 1 - 0.1 * (2 + 2)
    tensor(0.6000)
    """
    margin = _log_ratio_margin(
        chosen_log_probs, rejected_log_probs, reference_chosen_log_probs, reference_rejected_log_probs
    )
    return reduce(torch.relu(1.0 - beta * margin), **how)


class PreferenceHingeLoss(ManyLoss, of=preference_hinge_loss):
    """Module form of :func:`preference_hinge_loss`."""

    beta: Positive = 0.1


@loss(
    Card(
        task="preference learning",
        inputs=[LogProbability("n"), LogProbability("n", constant=True), Real("", low=0.0, constant=True), Binary("n")],
        values="n",
        claims={"nonnegative", "bounded_gradient", "redescending", "smooth",
                When("at_most_one", "desirable_weight <= 1 and undesirable_weight <= 1")},
        formula=r"\begin{cases} \lambda_D\,\big(1 - \sigma(\beta (r - z_0))\big) & y = 1 \\"
                r" \lambda_U\,\big(1 - \sigma(\beta (z_0 - r))\big) & y = 0 \end{cases}, \quad"
                r" r = \log \frac{\pi}{\pi_\mathrm{ref}}",
        source="arXiv:2402.01306, eq. 8",
        settings=[{"beta": 0.5, "desirable_weight": 1.5}, {"undesirable_weight": 0.5}],
        tune={"beta": (0.05, 0.1, 0.5)},
        good_at={"label noise", "class imbalance"},
        bad_at={"vanishing gradient"},
        known_as=("KTO", "Kahneman-Tversky optimization"),
        elsewhere={
            "TRL": "KTOTrainer; estimates kl from outputs paired with the wrong prompts, and clamps it at 0",
            "Liger": "LigerFusedLinearKTOLoss; kl may be one number per sample; no weights",
        },
    )
)  # fmt: skip
def kto_loss(
    log_probs: Tensor,
    reference_log_probs: Tensor,
    kl: Tensor,
    target: Tensor,
    *,
    beta: Positive = 0.1,
    desirable_weight: NonNegative = 1.0,
    undesirable_weight: NonNegative = 1.0,
    **how: Unpack[Reduce],
) -> Tensor:
    r"""Utility of outputs judged one by one as desirable or not, on a curve that flattens for gains and losses alike.

    Needs no pairs. An output far on the wrong side hardly pulls, which forgives wrong judgements.

    Args:
        log_probs: Log-probability of each output under the policy, summed over its tokens, ``(n,)``.
        reference_log_probs: The same under the reference policy, ``(n,)``; constant.
        kl: The point of reference :math:`z_0`, an estimate of the divergence of the policy from the reference, at least
            0, shape ``()``; constant. The authors take the mean log-ratio over outputs of other prompts in the batch,
            clamped at 0.
        target: 1 where the output is desirable, 0 where it is not, ``(n,)``.
        beta: How soon the curve flattens; smaller lets the policy move farther.
        desirable_weight: Weight of desirable outputs, :math:`\lambda_D`.
        undesirable_weight: Weight of undesirable outputs, :math:`\lambda_U`.

    >>> kto_loss(torch.tensor([-5.0]), torch.tensor([-5.0]), torch.tensor(0.0), torch.tensor([1.0]))
    tensor(0.5000)
    """
    gain = beta * (log_probs - reference_log_probs.detach() - kl.detach())
    desirable = desirable_weight * torch.sigmoid(-gain)
    undesirable = undesirable_weight * torch.sigmoid(gain)
    return reduce(target * desirable + (1.0 - target) * undesirable, **how)


class KTOLoss(ManyLoss, of=kto_loss):
    """Module form of :func:`kto_loss`."""

    beta: Positive = 0.1
    desirable_weight: NonNegative = 1.0
    undesirable_weight: NonNegative = 1.0


def _simpo(chosen: Element, rejected: Element, beta: Element, margin: Element) -> tuple[Element, ...]:
    lack = margin - beta * (chosen - rejected)
    rest, pull, _ = logistic(lack)
    return maximum(lack, 0.0) + rest, -beta * pull, beta * pull


@loss(
    Card(
        task="preference learning",
        inputs=[LogProbability("n"), LogProbability("n")],
        values="n",
        claims={"nonnegative", "convex", "bounded_gradient", "smooth"},
        formula=r"-\log \sigma\Big(\frac{\beta}{|y_w|} \log \pi(y_w) - \frac{\beta}{|y_l|} \log \pi(y_l)"
                r" - \gamma\Big)",
        source="arXiv:2405.14734, eq. 6",
        settings=[{"beta": 10.0, "margin": 0.0}],
        tune={"beta": (2.0, 2.5, 10.0), "margin": (0.3, 0.5, 1.0, 1.6)},
        good_at={"memory", "speed", "large margins"},
        bad_at={"label noise"},
        known_as=("SimPO", "simple preference optimization"),
        elsewhere={
            "TRL": 'CPOTrainer, loss_type="simpo", cpo_alpha=0; margin is simpo_gamma (0.5), beta is 0.1',
            "Liger": "LigerFusedLinearSimPOLoss; margin is gamma (0.5), beta is 0.1",
        },
    ),
    kernel=Elementwise(_simpo, wrt=(0, 1)),
)  # fmt: skip
def simpo_loss(
    chosen_log_probs: Tensor,
    rejected_log_probs: Tensor,
    *,
    beta: Positive = 2.0,
    margin: NonNegative = 0.5,
    **how: Unpack[Reduce],
) -> Tensor:
    r"""Logistic loss of the difference of the mean log-probabilities per token, which has to exceed a margin.

    Needs no reference model. Mean, not sum: long outputs are not preferred for their length.

    Args:
        chosen_log_probs: Log-probability of each chosen output, averaged over its tokens, ``(n,)``.
        rejected_log_probs: The same of the rejected output, ``(n,)``.
        beta: Scale of the log-probabilities.
        margin: What the scaled difference has to exceed, :math:`\gamma` in the paper.

    >>> simpo_loss(torch.tensor([-1.0]), torch.tensor([-1.25]), beta=2.0, margin=0.5)
    tensor(0.6931)
    """
    return reduce(F.softplus(margin - beta * (chosen_log_probs - rejected_log_probs)), **how)


class SimPOLoss(PairLoss, of=simpo_loss):
    """Module form of :func:`simpo_loss`."""

    beta: Positive = 2.0
    margin: NonNegative = 0.5


@loss(
    Card(
        task="preference learning",
        inputs=[LogProbability("n"), LogProbability("n")],
        values="n",
        claims={"nonnegative"},
        formula=r"-\log p_w - \beta \log \sigma\Big(\log \frac{p_w}{1 - p_w} - \log \frac{p_l}{1 - p_l}\Big), \quad"
                r" p = \pi(y)^{1/|y|}",
        source="arXiv:2403.07691, eq. 6",
        settings=[{"beta": 1.0}],
        tune={"beta": (0.1, 0.2, 0.5, 1.0)},
        good_at={"memory", "speed"},
        bad_at={"label noise"},
        known_as=("ORPO", "odds ratio preference optimization"),
        elsewhere={
            "TRL": "ORPOTrainer; the log-likelihood term is averaged over all tokens of the batch, not per output",
            "Liger": "LigerFusedLinearORPOLoss; as TRL",
        },
    )
)  # fmt: skip
def orpo_loss(
    chosen_log_probs: Tensor, rejected_log_probs: Tensor, *, beta: NonNegative = 0.1, **how: Unpack[Reduce]
) -> Tensor:
    r"""Negative log-likelihood of the chosen output, plus a penalty unless its odds exceed those of the rejected one.

    Fine-tunes and aligns in one step, without a reference model. A probability per token within rounding of 1 is held
    just below 1, where its odds would be infinite.

    Args:
        chosen_log_probs: Log-probability of each chosen output, averaged over its tokens, at most 0, ``(n,)``.
        rejected_log_probs: The same of the rejected output, ``(n,)``.
        beta: Weight of the odds-ratio term, :math:`\lambda` in the paper.

    >>> orpo_loss(torch.tensor([0.5]).log(), torch.tensor([0.5]).log(), beta=1.0)  # log 2 + log 2
    tensor(1.3863)
    """
    log_odds_ratio = _log_odds(chosen_log_probs) - _log_odds(rejected_log_probs)
    return reduce(-chosen_log_probs + beta * F.softplus(-log_odds_ratio), **how)


class ORPOLoss(PairLoss, of=orpo_loss):
    """Module form of :func:`orpo_loss`."""

    beta: NonNegative = 0.1


def _log_odds(log_probs: Tensor) -> Tensor:
    """log(p / (1 - p)), finite at p = 1."""
    log_probs = log_probs.clamp(max=-torch.finfo(log_probs.dtype).eps)
    return log_probs - torch.log(-torch.expm1(log_probs))
