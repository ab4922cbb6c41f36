"""Records what other libraries make of fixed policies and values, into ``recorded/reinforcement.json``.

They are too heavy to install beside the tests, so the tests read the record. To make it again:

    python -m venv v
    v/bin/pip install torch==2.13.0 numpy rlax
    v/bin/pip install --no-deps liger-kernel openrlhf
    v/bin/python tests/oracles/record_reinforcement.py
"""

import json
import sys
import sysconfig
import types
from importlib.metadata import version
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import rlax
import torch
from liger_kernel.chunked_loss.grpo_loss import LigerFusedLinearGRPOFunction

jax.config.update("jax_enable_x64", True)

RECORD = Path(__file__).parent / "recorded" / "reinforcement.json"
N, GROUPS, G, T = 8, 2, 3, 5
ONES = np.ones(N)

# Its packages import what training needs; the losses need none of it.
for package in ("openrlhf", "openrlhf.models"):
    module = types.ModuleType(package)
    module.__path__ = [str(Path(sysconfig.get_path("purelib"), *package.split(".")))]
    sys.modules[package] = module
sys.modules["deepspeed"] = types.ModuleType("deepspeed")

from openrlhf.models.loss import ValueLoss  # noqa: E402


def draw(seed):
    g = np.random.default_rng(seed)
    old = -g.gamma(2.0, size=(GROUPS, G, T))
    tokens = (np.arange(T) < g.integers(1, T + 1, (GROUPS, G))[..., None]).astype(float)
    return {
        "logits": g.normal(size=(N, 4)),
        "action": g.integers(0, 4, N),
        "advantage": g.normal(size=N),
        "log_probs": -g.gamma(2.0, size=N),
        "change": 0.5 * g.normal(size=N),
        "value": g.normal(size=N),
        "reward": g.normal(size=N),
        "next_value": g.normal(size=N),
        "done": g.integers(0, 2, N).astype(float),
        "groups": [old + 0.4 * g.normal(size=old.shape), old, old + 0.4 * g.normal(size=old.shape),
                   g.normal(size=(GROUPS, G)), tokens],
    }  # fmt: skip


def in_torch(function, inputs):
    leaves = [torch.tensor(x, requires_grad=True) for x in inputs]
    value = function(*leaves)
    gradients = torch.autograd.grad(value, leaves, allow_unused=True)
    return value.item(), [None if g is None else g.tolist() for g in gradients]


def in_jax(function, inputs):
    """Value, and gradient in the first input."""
    value, gradient = jax.value_and_grad(function)(*inputs)
    return float(value), [np.asarray(gradient).tolist()]


def entry(loss, library, call, inputs, found, **options):
    return {
        "loss": loss,
        "library": library,
        "version": version(library),
        "call": call,
        "options": options,
        "inputs": [np.asarray(x).tolist() for x in inputs],
        "value": found[0],
        "gradients": found[1],
    }


def td_error(value, reward, next_value, done, discount):
    return jax.vmap(rlax.td_learning)(value, reward, discount * (1.0 - done), next_value)


def group_relative(log_probs, old, reference, rewards, tokens, *, kind, clip, clip_high, beta, scale):
    """Liger's loss of advantages, which its users compute, as those of TRL do, by the formula of the paper."""
    advantage = rewards - rewards.mean(-1, keepdim=True)
    if scale:
        advantage = advantage / (rewards.std(-1, keepdim=True) + 1e-4)
    flat = [x.flatten(0, 1) for x in (log_probs, tokens, advantage[..., None], old, reference)]
    return LigerFusedLinearGRPOFunction.ppo_loss_fn(
        flat[0], flat[1], flat[2][:, 0].detach(), flat[1], flat[4].detach(), flat[3].detach(),
        epsilon_low=clip, epsilon_high=clip_high, beta=beta, loss_type=kind, max_completion_length=T,
    )[0]  # fmt: skip


def entries():
    for seed in range(3):
        x = draw(seed)
        inputs = [x["logits"], x["action"], x["advantage"]]
        found = in_jax(lambda z, a, adv: rlax.policy_gradient_loss(z, a, adv, ONES), inputs)
        yield entry("policy_gradient", "rlax", "policy_gradient_loss(logits, action, advantage, ones)", inputs, found)

        found = in_jax(lambda z: rlax.entropy_loss(z, ONES), inputs[:1])
        yield entry("negative_entropy", "rlax", "entropy_loss(logits, ones)", inputs[:1], found)

        inputs = [x["log_probs"] + x["change"], x["log_probs"], x["advantage"]]
        for clip in (0.1, 0.2):
            found = in_jax(lambda p, o, a, c=clip: rlax.clipped_surrogate_pg_loss(jnp.exp(p - o), a, epsilon=c), inputs)
            call = "clipped_surrogate_pg_loss(exp(log_probs - old_log_probs), advantage, epsilon=clip)"
            yield entry("ppo_clip", "rlax", call, inputs, found, clip=clip)

        inputs = [x["value"], x["reward"], x["next_value"], x["done"]]
        for discount in (0.9, 0.99):
            found = in_jax(lambda *t, d=discount: rlax.l2_loss(td_error(*t, d)).mean(), inputs)
            yield entry("td", "rlax", "l2_loss(td_learning(...)).mean()", inputs, found, discount=discount)
            found = in_jax(lambda *t, d=discount: rlax.huber_loss(td_error(*t, d), 0.5).mean(), inputs)
            call = "huber_loss(td_learning(...), delta).mean()"
            yield entry("td", "rlax", call, inputs, found, discount=discount, delta=0.5)

        inputs = [x["value"], x["value"] + x["change"], x["reward"]]
        for clip in (0.2, 0.5):
            found = in_torch(lambda v, o, r, c=clip: ValueLoss(c)(v, o, r, torch.ones(N)), inputs)
            yield entry("clipped_value", "openrlhf", "ValueLoss(clip)", inputs, found, clip=clip)

        for kind, average, scale in (("grpo", "sequence", True), ("dr_grpo", "constant", False)):
            for clip_high, beta in ((0.2, 0.04), (0.28, 0.0)):
                options = {"clip": 0.2, "clip_high": clip_high, "beta": beta}
                found = in_torch(
                    lambda *t, k=kind, s=scale, o=options: group_relative(*t, kind=k, scale=s, **o), x["groups"]
                )
                call = f"LigerFusedLinearGRPOFunction.ppo_loss_fn(loss_type={kind!r})[0]"
                yield entry("grpo", "liger-kernel", call, x["groups"], found,
                            token_average=average, scale_by_std=scale, **options)  # fmt: skip
        # Liger's "bnpo" averages over the tokens of the batch: with one group in it, over those of the group.
        one = [part[:1] for part in x["groups"]]
        options = {"clip": 0.2, "clip_high": 0.28, "beta": 0.1}
        found = in_torch(lambda *t, o=options: group_relative(*t, kind="bnpo", scale=True, **o), one)
        call = "LigerFusedLinearGRPOFunction.ppo_loss_fn(loss_type='bnpo')[0]"
        yield entry("grpo", "liger-kernel", call, one, found, token_average="group", **options)
        found = in_torch(lambda *t, o=options: group_relative(*t, kind="bnpo", scale=True, **o), x["groups"])
        yield entry("grpo_over_the_batch", "liger-kernel", call, x["groups"], found, token_average="group", **options)


if __name__ == "__main__":
    RECORD.parent.mkdir(exist_ok=True)
    RECORD.write_text(json.dumps(list(entries()), separators=(",", ":")) + "\n")
