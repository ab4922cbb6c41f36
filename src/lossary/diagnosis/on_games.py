"""Causes where two networks play against each other, or samples against samples."""

from __future__ import annotations

import copy
import math
from typing import Literal

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .causes import Evidence, cause
from .record import Call
from .seen import Seen

_Role = Literal["generator", "discriminator"]


def _roles(seen: Seen) -> dict[str, _Role]:
    """Which part of the model makes what another one judges, by what they were given and gave."""
    made = [c for c in seen.record.calls[:64] if c.output is not None]
    for judged in seen.record.calls[:64]:
        for maker in made:
            near = 0 <= judged.number - maker.number <= 1 and judged.name != maker.name
            if near and judged.inputs is not None and _same(maker.output, judged.inputs):
                return {maker.name: "generator", judged.name: "discriminator"}
    return {}


def _calls(seen: Seen, role: _Role) -> list[Call]:
    roles = _roles(seen)
    return [c for c in seen.record.calls if roles.get(c.name) == role]


def _losses(seen: Seen) -> dict[str, np.ndarray]:
    """The two losses, by which part the optimizer that stepped on them holds."""
    model = seen.record.model
    if not seen.compound or not isinstance(model, (nn.ModuleDict, nn.ModuleList)):
        return {}
    own = {id(p): name.partition(".")[0] for name, p in model.named_parameters()}
    roles = _roles(seen)
    out: dict[str, np.ndarray] = {}
    for index, optimizer in enumerate(seen.record.optimizers):
        parts = {own.get(id(p), "") for g in optimizer.param_groups for p in g["params"]}
        losses = np.array([m.loss for m in seen.moments if m.optimizer == index])
        for part in parts & set(roles):
            out[roles[part]] = losses
    return out


def _verdicts(seen: Seen) -> tuple[Tensor, Tensor] | None:
    """The discriminator's outputs for what the generator made and for other samples, late in the run."""
    made = {c.number: c.output for c in _calls(seen, "generator") if c.output is not None}
    fakes: list[Tensor] = []
    reals: list[Tensor] = []
    late = max((c.number for c in seen.record.calls), default=0) * 0.6
    for call in _calls(seen, "discriminator"):
        if call.inputs is None or call.output is None or call.number < late:
            continue
        near = [made[n] for n in (call.number, call.number - 1) if n in made]
        fake = any(_same(f, call.inputs) for f in near)
        (fakes if fake else reals).append(call.output.reshape(-1).float())
    if not fakes or not reals:
        return None
    return torch.cat(reals), torch.cat(fakes)


@cause(
    "game", "the discriminator is too strong for the generator",
    remedy="# a lower learning rate or fewer steps for the discriminator; instance noise, R1 or spectral normalisation;"
    " lossary.multitask has the helpers",
    confirm="the discriminator tells all fakes, and the generator's gradient vanishes or its loss only grows",
    source="Arjovsky and Bottou 2017, arXiv:1701.04862, sec. 2; Goodfellow et al. 2014, arXiv:1406.2661, sec. 3",
    explains=("mode_collapse", "loss_oscillating"),
)  # fmt: skip
def discriminator_too_strong(seen: Seen) -> Evidence | None:
    """A discriminator's loss near 0, and a generator's that grows."""
    losses = _losses(seen)
    if len(losses) < 2 or min(map(len, losses.values())) < 20:
        return None
    d, g = losses["discriminator"], losses["generator"]
    late_d, late_g = float(np.mean(d[-len(d) // 4 :])), float(np.mean(g[-len(g) // 4 :]))
    if late_d > 0.25 or late_d < 0 or late_g < 2.5:
        return None
    began = int(np.argmax(d < 0.25))
    return Evidence(0.9, f"The discriminator's loss is {late_d:.3g} in the end (2 ln 2 = 1.39 is a draw), the "
                    f"generator's {late_g:.3g}.", {"discriminator": late_d, "generator": late_g},
                    began)  # fmt: skip


@cause(
    "game", "the discriminator is too weak to teach the generator",
    remedy="# more capacity, steps or a higher learning rate for the discriminator",
    confirm="the discriminator does no better than chance from the start",
    source="Goodfellow et al. 2014, arXiv:1406.2661, alg. 1; Heusel et al. 2017, arXiv:1706.08500",
    explains=("mode_collapse",),
)  # fmt: skip
def discriminator_too_weak(seen: Seen) -> Evidence | None:
    """A discriminator that gives the same answer to all, throughout."""
    losses = _losses(seen)
    if len(losses) < 2 or min(map(len, losses.values())) < 20:
        return None
    d, g = losses["discriminator"], losses["generator"]
    late = float(np.mean(d[-len(d) // 3 :]))
    verdicts = _verdicts(seen)
    if verdicts is None:
        return None
    real, fake = verdicts
    apart = float(real.mean() - fake.mean())
    spread = float(torch.cat([real, fake]).std())
    draw = 2 * math.log(2)
    fooled = float(np.mean(g[-len(g) // 3 :])) < math.log(2)  # it takes what is made for real more often than not
    if not fooled or late < 0.95 * draw or apart > 0.25 * max(spread, 0.05):
        return None
    if _won(seen):
        return None
    return Evidence(0.85, f"The discriminator's loss stays at {late:.3g} (2 ln 2 = {draw:.2f} is guessing), and its "
                    f"outputs for real and made samples differ by {apart:.2g}.",
                    {"loss": late, "apart": apart})  # fmt: skip


def _same(made: Tensor | None, judged: Tensor) -> bool:
    """Whether what the generator made is what the discriminator was given, up to its shape."""
    return made is not None and made.numel() == judged.numel() and torch.equal(made.reshape(-1), judged.reshape(-1))


def _samples(seen: Seen) -> tuple[Tensor, Tensor] | None:
    """Real samples, and what the generator makes after training of the noise that it was given."""
    model = seen.record.model
    made = [c for c in _calls(seen, "generator") if c.output is not None]
    if not made or model is None:
        return None
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        generator = copy.deepcopy(model.get_submodule(made[0].name))
        late = [rows.reshape(len(rows), -1).float() for c in made[:6] for rows in [generator(*c.arguments)]]
    fakes = {c.number: c.output for c in made}
    real = []
    for call in _calls(seen, "discriminator"):
        if call.inputs is None:
            continue
        x = call.inputs
        same = [fakes[n] for n in (call.number, call.number - 1) if n in fakes]
        if any(_same(f, x) for f in same):
            continue
        flat = x.reshape(len(x), -1).float()
        if flat.shape[1] == late[0].shape[1]:
            real.append(flat)
    return (torch.cat(real[:8]), torch.cat(late)) if real else None


def _won(seen: Seen) -> bool:
    """Whether what is made is like the real in place and variety, so that nothing is left to tell apart."""
    found = _samples(seen)
    if found is None:
        return False
    real, fake = found
    away = float((real.mean(0) - fake.mean(0)).norm() / real.std(0).norm().clamp(min=1e-12))
    return away < 0.3 and _variety(real, fake) > 0.6


def _variety(real: Tensor, fake: Tensor) -> float:
    """How far apart made samples are among each other, relative to real ones."""
    return float(torch.pdist(fake[-256:]).mean() / torch.pdist(real[:256]).mean().clamp(min=1e-12))


@cause(
    "game", "the generator makes the same sample again and again",
    remedy="# minibatch discrimination, a Wasserstein loss with gradient penalty, or a lower rate for the generator",
    confirm="generated samples differ among each other far less than real ones",
    source="Salimans et al. 2016, arXiv:1606.03498, sec. 3.2; Metz et al. 2017, arXiv:1611.02163",
)  # fmt: skip
def mode_collapse(seen: Seen) -> Evidence | None:
    """Generated samples much closer to each other than real ones are."""
    if not seen.compound:
        return None
    found = _samples(seen)
    if found is None:
        return None
    real, fake = found
    if len(fake) < 8 or len(real) < 8:
        return None
    ratio = _variety(real, fake)
    occupied = _coverage(real[:512], fake[-512:])
    if ratio > 0.3 and occupied > 0.45:
        return None
    return Evidence(0.9, f"What the generator makes is {ratio:.0%} as far apart as real samples are, and lies near "
                    f"{occupied:.0%} of them.", {"diversity": ratio, "coverage": occupied})  # fmt: skip


def _coverage(real: Tensor, fake: Tensor) -> float:
    """Share of the groups that real samples fall into to which some made sample is nearest."""
    k = min(8, len(real) // 8)
    if k < 2:
        return 1.0
    centres = real[torch.linspace(0, len(real) - 1, k).long()]
    for _ in range(10):
        nearest = torch.cdist(real, centres).argmin(1)
        centres = torch.stack(
            [real[nearest == i].mean(0) if bool((nearest == i).any()) else centres[i] for i in range(k)]
        )
    counts = torch.bincount(torch.cdist(fake, centres).argmin(1), minlength=k)
    return float((counts > 0.1 * len(fake) / k).double().mean())


@cause(
    "game", "embeddings collapse to one point",
    remedy="# negatives in the loss, a stop-gradient and predictor (SimSiam), or a variance term (VICReg)",
    confirm="the embeddings of different samples have a cosine similarity near 1",
    source="Jing et al. 2022, arXiv:2110.09348; Chen and He 2021, arXiv:2011.10566",
    explains=("early_plateau", "lr_too_low", "lr_too_high", "vanishing_gradient", "bad_initialization",
              "frozen_parameters", "loss_oscillating"),
)  # fmt: skip
def contrastive_collapse(seen: Seen) -> Evidence | None:
    """Outputs that are vectors, were apart, and are all alike in the end."""
    if seen.recognised is not None or seen.compound or not seen.record.kept or _told_what_to_say(seen):
        return None
    first = _vectors(seen.record.kept[0].output)
    last = _vectors(seen.final_raw[0][0]) if seen.final_raw else _vectors(seen.record.kept[-1].output)
    if first is None or last is None:
        return None
    if first.shape[1] < 3 or len(last) < 4:
        return None
    before, after = _alike(first), _alike(last)
    if not math.isfinite(after):
        return None
    relative = float(last.std(0).norm() / last.norm(dim=1).mean().clamp(min=1e-12))
    if relative > 0.05 and not after > 0.995 and not (after > 0.9 and after > before + 0.1):
        return None
    return Evidence(0.9, f"The mean cosine similarity of different samples' embeddings went from {before:.3f} to "
                    f"{after:.3f}; their spread is {relative:.1%} of their length.",
                    {"similarity": after, "spread": relative})  # fmt: skip


def _told_what_to_say(seen: Seen) -> bool:
    """Whether the loss holds outputs against targets that are numbers: alike is then what they may have to be."""
    target = seen.target
    return seen.replay is not None and isinstance(target, Tensor) and target.is_floating_point()


def _vectors(output: object) -> Tensor | None:
    if isinstance(output, (tuple, list)):
        output = output[0] if output else None
    if isinstance(output, Tensor) and output.ndim == 2 and output.is_floating_point():
        return output.float()
    return None


def _alike(x: Tensor) -> float:
    x = F.normalize(x, dim=1)
    similarity = x @ x.T
    n = len(x)
    return float((similarity.sum() - similarity.diagonal().sum()) / max(n * (n - 1), 1))
