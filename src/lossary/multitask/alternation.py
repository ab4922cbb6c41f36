"""Whose step it is where two networks are trained against each other, fixed or by how far the critic is ahead."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Literal, TypeAlias

import torch
from torch import Tensor

from lossary.core import LossInputError

Turn: TypeAlias = Literal["critic", "generator"]


def overfitting_sign(real_scores: Tensor) -> Tensor:
    """How far ahead a discriminator is by its sign on training samples: the mean of sign(D(x)), in [-1, 1].

    :math:`r_t` of Karras et al., arXiv:2006.06676, eq. 1: 0 where it can't tell, 1 where it is sure of every real
    sample. The paper holds it at 0.6. Scores are logits, before any sigmoid, with 0 as the border.

    >>> overfitting_sign(torch.tensor([2.0, 0.5, -1.0, 3.0]))
    tensor(0.5000)
    """
    return real_scores.detach().float().sign().mean()


def overfitting_gap(train_scores: Tensor, validation_scores: Tensor, fake_scores: Tensor) -> Tensor:
    """How much a discriminator takes real samples that it was not trained on for generated ones.

    :math:`r_v` of Karras et al., arXiv:2006.06676, eq. 1: 0 where real samples score alike whether trained on or not, 1
    where those of the validation part score as generated ones. 0 where training and generated samples score alike.

    >>> overfitting_gap(torch.tensor([2.0]), torch.tensor([1.5]), torch.tensor([0.0]))
    tensor(0.2500)
    """
    train, validation, fake = (s.detach().float().mean() for s in (train_scores, validation_scores, fake_scores))
    whole = train - fake
    return torch.where(whole == 0, 0.0, (train - validation) / torch.where(whole == 0, 1.0, whole))


def critic_accuracy(real_scores: Tensor, fake_scores: Tensor) -> Tensor:
    """Share of the samples that a discriminator gets right, real and generated ones counting alike; 0.5 is a guess.

    Scores are logits, before any sigmoid, with 0 as the border; a score of exactly 0 is half right.

    >>> critic_accuracy(torch.tensor([1.0, 2.0]), torch.tensor([-1.0, 3.0]))
    tensor(0.7500)
    """
    right = (real_scores.detach().float().sign().mean() - fake_scores.detach().float().sign().mean()) / 2
    return (1 + right) / 2


class Alternation:
    """Says whose step it is: rounds of ``critic`` steps and then ``generator`` steps.

    Iterate it, or call ``next`` on it; it never ends. In ``zip`` put the data first, or a turn is lost at their end.

        turns = Alternation(critic=5)                     # WGAN: five steps of the critic for one of the generator
        for real, turn in zip(loader, turns):
            if turn == "critic":
                ...

    With a ``target``, the numbers follow how far ahead the critic is. That is any number that rises with its lead, told
    to :meth:`observe` whenever there is one: :func:`overfitting_sign` (target 0.6), :func:`critic_accuracy` (say 0.8),
    :func:`overfitting_gap`, or the generator's loss over the critic's. Where the mean of ``every`` of them is above the
    target, the critic gets a step less in each round, or, once it is down to one, the generator a step more; where it
    is below, the other way round. A change takes effect with the next round.

    The heuristics and the interval of four are those of Karras et al., arXiv:2006.06676, sec. 3, who steer the
    strength of the augmentation by them; here it is the share of the steps.

    Args:
        critic: Steps of the critic in a round; with a target, in the first one.
        generator: Steps of the generator in a round; with a target, in the first one.
        target: Where the lead is to be; fixed numbers of steps where not given.
        every: Of how many observations the mean is taken.
        most: How many steps in a round one of the two may have while the other has one.

    Raises:
        LossInputError: if a number is below 1; and with a target, if both have more than one step, or more than
            ``most``.

    >>> turns = Alternation(critic=2)
    >>> [next(turns) for _ in range(4)]
    ['critic', 'critic', 'generator', 'critic']
    >>> turns.steps
    {'critic': 3, 'generator': 1}
    """

    def __init__(
        self, critic: int = 1, generator: int = 1, *, target: float | None = None, every: int = 4, most: int = 5
    ) -> None:
        for name, value in (("critic", critic), ("generator", generator), ("every", every), ("most", most)):
            if not isinstance(value, int) or isinstance(value, bool) or value < 1:
                raise LossInputError(f"Alternation: `{name}` must be a whole number of at least 1, got {value!r}.")
        if target is not None and (min(critic, generator) > 1 or max(critic, generator) > most):
            raise LossInputError(
                f"Alternation: with `target`, one of the two must begin with 1 step and the other with at most {most}, "
                f"got {critic} and {generator}."
            )
        self.critic, self.generator, self.target, self.every, self.most = critic, generator, target, every, most
        self.steps: dict[Turn, int] = {"critic": 0, "generator": 0}
        self._round: tuple[int, int] = (critic, generator)
        self._done = 0
        self._seen: list[float | Tensor] = []

    def __iter__(self) -> Iterator[Turn]:
        return self

    def __next__(self) -> Turn:
        if self._done == sum(self._round):
            self._done, self._round = 0, (self.critic, self.generator)
        turn: Turn = "critic" if self._done < self._round[0] else "generator"
        self._done += 1
        self.steps[turn] += 1
        return turn

    def observe(self, lead: float | Tensor) -> None:
        """Tell how far ahead the critic is. On a GPU, only every ``every``-th call waits for it.

        Raises:
            LossInputError: without a target, or for what is no single finite number.
        """
        if self.target is None:
            raise LossInputError("Alternation: `observe` must come with a `target`, got none.")
        if isinstance(lead, Tensor) and lead.numel() != 1:
            raise LossInputError(f"Alternation: `lead` must be one number, got shape {tuple(lead.shape)}.")
        self._seen.append(lead.detach() if isinstance(lead, Tensor) else float(lead))
        if len(self._seen) < self.every:
            return
        mean = sum(float(value) for value in self._seen) / len(self._seen)
        self._seen = []
        if mean != mean or abs(mean) == float("inf"):
            raise LossInputError(f"Alternation: `lead` must be a finite number, got a mean of {mean}.")
        self._shift(1 if mean < self.target else -1 if mean > self.target else 0)

    def _shift(self, way: int) -> None:
        """Move one step towards the critic (1) or the generator (-1)."""
        surplus = min(max(self.critic - self.generator + way, 1 - self.most), self.most - 1)
        self.critic, self.generator = 1 + max(surplus, 0), 1 + max(-surplus, 0)

    def state_dict(self) -> dict[str, int | list[int] | list[float]]:
        """All that moves: plain numbers, for a checkpoint."""
        return {
            "critic": self.critic,
            "generator": self.generator,
            "round": list(self._round),
            "done": self._done,
            "steps": [self.steps["critic"], self.steps["generator"]],
            "seen": [float(value) for value in self._seen],
        }

    def load_state_dict(self, state: Mapping[str, int | list[int] | list[float]]) -> None:
        """Go on where :meth:`state_dict` was taken.

        Raises:
            LossInputError: if a part is missing or one too many.
        """
        if strange := set(state) ^ set(self.state_dict()):
            raise LossInputError(f"Alternation: `state` must be of state_dict(), got {', '.join(sorted(strange))} off.")
        numbers = {name: value for name, value in state.items() if isinstance(value, int)}
        lists = {name: value for name, value in state.items() if isinstance(value, list)}
        self.critic, self.generator, self._done = numbers["critic"], numbers["generator"], numbers["done"]
        first, second = lists["round"]
        self._round = (int(first), int(second))
        self.steps = dict(zip(self.steps, (int(n) for n in lists["steps"]), strict=True))
        self._seen = [float(value) for value in lists["seen"]]
