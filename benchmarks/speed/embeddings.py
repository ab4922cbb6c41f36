"""Embeddings, clouds of points, sequences and ranked lists: pairs of all with all, or steps one after the other."""

from __future__ import annotations

import math
from importlib import import_module
from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

import lossary

from .case import Case, Drawn, Function, scaled
from .floors import one_pass, products
from .peers import peer

TEMPERATURE = 0.1
MARGIN, SCALE = 0.5, 64.0
BLUR, ITERATIONS = 0.05, 50
PER_CLASS = 8


def _triplets(by: float) -> Drawn:
    shape = (scaled(65536, by), 128)
    return Drawn((torch.randn(shape), torch.randn(shape), torch.randn(shape)), ())


def _labelled(by: float) -> Drawn:
    n = scaled(1024, by**0.5, 2 * PER_CLASS)
    return Drawn((torch.randn(n, 128),), (torch.arange(n) // PER_CLASS,))


def _paired(by: float) -> Drawn:
    shape = (scaled(1024, by**0.5, 4), 256)
    first = torch.randn(shape)
    return Drawn((first, first + torch.randn(shape)), ())


def _with_scale(by: float) -> Drawn:
    return Drawn((*_paired(by).leaves, torch.tensor(10.0)), ())


def _faces(by: float) -> Drawn:
    n, c = scaled(512, by**0.5, 4), scaled(10_000, by**0.5, 4)
    return Drawn((torch.randn(n, 512), torch.randn(c, 512)), (torch.randint(c, (n,)),))


def _clouds(dimensions: int, by: float) -> Drawn:
    n = scaled(1000, by**0.5, 4)
    return Drawn((torch.rand(n, dimensions),), (torch.rand(n, dimensions) * 0.8 + 0.3,))


def _speech(by: float) -> Drawn:
    t, n, c, s = scaled(200, by**0.5, 8), scaled(32, by**0.5), 100, scaled(30, by**0.5)
    lengths = torch.full((n,), t), torch.full((n,), s)
    return Drawn((torch.randn(t, n, c),), (torch.randint(1, c, (n, s)), *lengths))


def _lists(lists: int, by: float) -> Drawn:
    n, items = scaled(lists, by**0.5), scaled(100, by**0.5, 4)
    return Drawn((torch.randn(n, items),), (torch.randint(5, (n, items)).float(),))


def _square(count: int, views: int = 1) -> Any:
    """Products of embeddings ``(n, d)`` with all others: ``count`` of them."""

    def shapes(drawn: Drawn) -> list[tuple[int, int, int]]:
        n, d = views * drawn.leaves[0].shape[0], drawn.leaves[0].shape[1]
        return [(n, d, n), *[(n, n, d)] * (count - 1)]

    return products(shapes)


def _prototypes(drawn: Drawn) -> list[tuple[int, int, int]]:
    (n, d), c = drawn.leaves[0].shape, len(drawn.leaves[1])
    return [(n, d, c), (n, c, d), (c, n, d)]


def _each_iteration(drawn: Drawn) -> list[tuple[int, int, int]]:
    """Three problems, each with two products of a matrix by a vector an iteration."""
    n = len(drawn.leaves[0])
    return [(n, n, 1)] * (6 * ITERATIONS)


def _unit(x: Tensor) -> Tensor:
    return F.normalize(x, dim=1)


def _own(logits: Tensor) -> Tensor:
    return F.cross_entropy(logits, torch.arange(len(logits)))


def _triplet(a: Tensor, p: Tensor, n: Tensor) -> Tensor:
    near, far = ((a - x + 1e-6).pow(2).sum(1).sqrt() for x in (p, n))
    return (near - far + 1.0).clamp(min=0.0).mean()


def _batch_hard(x: Tensor, t: Tensor) -> Tensor:
    squares = (x * x).sum(1)
    apart = (squares.unsqueeze(1) + squares - 2.0 * x @ x.T).clamp(min=1e-12).sqrt()
    same = t.unsqueeze(1) == t
    itself = torch.eye(len(t), dtype=torch.bool)
    farthest = apart.masked_fill(~same | itself, -math.inf).amax(1)
    nearest = apart.masked_fill(same, math.inf).amin(1)
    return (farthest - nearest + 0.2).clamp(min=0.0).mean()


def _batch_hard_of_pml(p: Any) -> Function:
    distance = p.distances.LpDistance(normalize_embeddings=False)
    miner = p.miners.BatchHardMiner(distance=distance)
    loss = p.losses.TripletMarginLoss(margin=0.2, distance=distance, reducer=p.reducers.MeanReducer())
    return lambda x, t: loss(x, t, miner(x, t))


def _info_nce(a: Tensor, b: Tensor) -> Tensor:
    return _own(_unit(a) @ _unit(b).T / TEMPERATURE)


def _clip(a: Tensor, b: Tensor, scale: Tensor) -> Tensor:
    logits = scale * _unit(a) @ _unit(b).T
    return (_own(logits) + _own(logits.T)) / 2.0


def _nt_xent(a: Tensor, b: Tensor) -> Tensor:
    views, n = _unit(torch.cat([a, b])), len(a)
    logits = (views @ views.T / TEMPERATURE).masked_fill(torch.eye(2 * n, dtype=torch.bool), -math.inf)
    return F.cross_entropy(logits, torch.arange(2 * n).roll(n))


def _nt_xent_of_pml(p: Any) -> Function:
    loss = p.losses.NTXentLoss(temperature=TEMPERATURE)
    return lambda a, b: loss(torch.cat([a, b]), torch.arange(len(a)).repeat(2))


def _sup_con(x: Tensor, t: Tensor) -> Tensor:
    itself = torch.eye(len(t), dtype=torch.bool)
    positive = (t.unsqueeze(1) == t) & ~itself
    direction = _unit(x)
    logits = (direction @ direction.T / TEMPERATURE).masked_fill(itself, -1e9)
    log_probs = logits.log_softmax(1)
    return -((log_probs * positive).sum(1) / positive.sum(1)).mean()


def _arcface(x: Tensor, w: Tensor, t: Tensor) -> Tensor:
    cosine = _unit(x) @ _unit(w).T
    own = cosine.gather(1, t.unsqueeze(1))
    wide = own * math.cos(MARGIN) - (1.0 - own**2).clamp(min=1e-12).sqrt() * math.sin(MARGIN)
    wide = torch.where(own > -math.cos(MARGIN), wide, own - MARGIN * math.sin(MARGIN))
    return F.cross_entropy(SCALE * cosine.scatter(1, t.unsqueeze(1), wide), t)


def _arcface_of_pml(p: Any) -> Function:
    made: dict[torch.Size, Any] = {}

    def loss(x: Tensor, w: Tensor, t: Tensor) -> Tensor:
        if w.shape not in made:
            made[w.shape] = p.losses.ArcFaceLoss(*w.shape, margin=math.degrees(MARGIN), scale=SCALE)
        value: Tensor = torch.func.functional_call(made[w.shape], {"W": w.T}, (x, t))
        return value

    return loss


def _transport(cost: Tensor) -> Tensor:
    """Entropic cost of moving one cloud to the other, by averaged updates at a falling temperature."""
    n, k = cost.shape
    start = cost.mean().clamp(min=BLUR**2)
    f, g = cost.new_zeros(n), cost.new_zeros(k)

    def pulled(g: Tensor, cost: Tensor, scale: Tensor) -> Tensor:
        return -scale * torch.logsumexp((g - cost) / scale - math.log(len(g)), 1)

    for i in range(1, ITERATIONS + 1):
        scale = start * (BLUR**2 / start) ** (i / ITERATIONS)
        f, g = (f + pulled(g, cost, scale)) / 2.0, (g + pulled(f, cost.T, scale)) / 2.0
    end = torch.full_like(start, BLUR**2)
    f, g = pulled(g, cost, end), pulled(f, cost.T, end)
    return f.mean() + g.mean()


def _squares(x: Tensor, y: Tensor) -> Tensor:
    return (x.unsqueeze(1) - y).square().sum(-1)


def _sinkhorn(x: Tensor, y: Tensor) -> Tensor:
    across, within, other = (_transport(_squares(a, b) / 2.0) for a, b in ((x, y), (x, x), (y, y)))
    return across - (within + other) / 2.0


def _sinkhorn_of_geomloss(g: Any) -> Function:
    loss: Function = g.SamplesLoss("sinkhorn", p=2, blur=BLUR, backend="tensorized")
    return loss


def _sinkhorn_of_pot(o: Any) -> Function:
    def loss(x: Tensor, y: Tensor) -> Tensor:
        pairs = ((x, y, 1.0), (x, x, -0.5), (y, y, -0.5))
        terms = [s * o.sinkhorn2(x.new_full((len(a),), 1 / len(a)), x.new_full((len(b),), 1 / len(b)),
                                 _squares(a, b) / 2.0, BLUR**2, method="sinkhorn_log", numItermax=ITERATIONS,
                                 warn=False) for a, b, s in pairs]  # fmt: skip
        return torch.stack(terms).sum()

    return loss


def _mmd(x: Tensor, y: Tensor) -> Tensor:
    across, within, other = (torch.exp(-_squares(a, b) / 2.0).mean() for a, b in ((x, y), (x, x), (y, y)))
    return within + other - 2.0 * across


def _mmd_of_geomloss(g: Any) -> Function:
    """It is half the square of the discrepancy there."""
    loss = g.SamplesLoss("gaussian", blur=1.0, backend="tensorized")
    return lambda x, y: 2.0 * loss(x, y)


def _ctc(x: Tensor, t: Tensor, steps: Tensor, labels: Tensor) -> Tensor:
    """The forward recursion, step by step in logarithms; all inputs and all targets are equally long."""
    log_probs, (n, s) = x.log_softmax(-1), t.shape
    path = t.new_zeros(n, 2 * s + 1)
    path[:, 1::2] = t
    skips = path != path.roll(2, 1)
    skips[:, :2] = False
    skips &= path != 0
    reached = log_probs[0].gather(1, path)
    alpha = torch.where(torch.arange(2 * s + 1) < 2, reached, -1e30)
    for log_prob in log_probs[1:]:
        one, two = F.pad(alpha, (1, 0), value=-1e30)[:, :-1], F.pad(alpha, (2, 0), value=-1e30)[:, :-2]
        ways = torch.stack([alpha, one, torch.where(skips, two, -1e30)])
        alpha = torch.logsumexp(ways, 0) + log_prob.gather(1, path)
    return -torch.logsumexp(alpha[:, -2:], 1).mean()


def _ctc_of_lossary(x: Tensor, *target: Tensor) -> Tensor:
    return lossary.ctc_loss(x.log_softmax(-1), *target)


def _ctc_of_torch(x: Tensor, t: Tensor, steps: Tensor, labels: Tensor) -> Tensor:
    return F.ctc_loss(x.log_softmax(-1), t, steps, labels, reduction="sum") / x.shape[1]


def _ranknet(s: Tensor, t: Tensor) -> Tensor:
    better = t.unsqueeze(2) > t.unsqueeze(1)
    return (F.softplus(s.unsqueeze(1) - s.unsqueeze(2)) * better).sum((1, 2)).mean()


def _listnet(s: Tensor, t: Tensor) -> Tensor:
    return -(t.softmax(1) * s.log_softmax(1)).sum(1).mean()


def _pml() -> SimpleNamespace:
    parts = ("distances", "losses", "miners", "reducers")
    return SimpleNamespace(**{part: import_module(f"pytorch_metric_learning.{part}") for part in parts})


def _of_pml(make: Any) -> Any:
    return {"pytorch-metric-learning": peer("pytorch_metric_learning.losses", lambda _: make(_pml()))}


def _sup_con_of_pml(p: Any) -> Function:
    loss: Function = p.losses.SupConLoss(temperature=TEMPERATURE)
    return loss


def _case(name: str, group: str, size: str, draw: Any, loss: Function, eager: Function, floor: Any = one_pass,
          builtin: Function | None = None, small: bool = False, **peers: Any) -> Case:  # fmt: skip
    return Case(
        name=name, group=group, size=size, draw=draw, loss=loss, eager=eager, builtin=builtin, floor=floor,
        peers={other.replace("_", "-"): made for other, made in peers.items()}, small=small,
    )  # fmt: skip


_OTHER_SCHEDULE = "anneals by another schedule"
_ONE_COST = "the value is the bare cost of transport, at a temperature that does not fall"
_METRIC = "embeddings"

CASES: tuple[Case, ...] = (
    _case("triplet_margin", _METRIC, "65536×128", _triplets, lossary.triplet_margin_loss, _triplet,
          builtin=F.triplet_margin_loss),
    _case("batch_hard_triplet", _METRIC, "1024×128", _labelled, lossary.batch_hard_triplet_loss, _batch_hard,
          _square(1), **_of_pml(_batch_hard_of_pml)),
    _case("info_nce", _METRIC, "1024×256", _paired, lossary.info_nce_loss, _info_nce, _square(3)),
    _case("clip", _METRIC, "1024×256", _with_scale, lossary.clip_loss, _clip, _square(3)),
    _case("nt_xent", _METRIC, "2×1024×256", _paired, lossary.nt_xent_loss, _nt_xent, _square(3, 2),
          monai=peer("monai.losses", lambda m: m.ContrastiveLoss(temperature=TEMPERATURE)),
          **_of_pml(_nt_xent_of_pml)),
    _case("sup_con", _METRIC, "1024×128", _labelled, lossary.sup_con_loss, _sup_con, _square(3),
          **_of_pml(_sup_con_of_pml)),
    _case("arcface", _METRIC, "512×512, 10,000 classes", _faces,
          lambda x, w, t: lossary.arcface_loss(x, t, w, margin=MARGIN, scale=SCALE), _arcface, products(_prototypes),
          **_of_pml(_arcface_of_pml)),
    _case("sinkhorn_divergence", "clouds", "1000 by 1000 points, 3 dimensions", lambda by: _clouds(3, by),
          lambda x, y: lossary.sinkhorn_divergence_loss(x, y, blur=BLUR, iterations=ITERATIONS), _sinkhorn,
          products(_each_iteration),
          geomloss=peer("geomloss", _sinkhorn_of_geomloss, _OTHER_SCHEDULE),
          POT=peer("ot", _sinkhorn_of_pot, _ONE_COST)),
    _case("mmd", "clouds", "1000 by 1000 points, 16 dimensions", lambda by: _clouds(16, by), lossary.mmd_loss, _mmd,
          _square(3), geomloss=peer("geomloss", _mmd_of_geomloss)),
    _case("ctc", "sequences", "200 steps, 32 sequences, 100 classes, 30 labels", _speech, _ctc_of_lossary, _ctc,
          builtin=_ctc_of_torch),
    _case("ranknet", "ranked lists", "256 lists of 100", lambda by: _lists(256, by), lossary.ranknet_loss, _ranknet,
          small=True),
    _case("listnet", "ranked lists", "8192 lists of 100", lambda by: _lists(8192, by), lossary.listnet_loss, _listnet,
          small=True),
)  # fmt: skip
