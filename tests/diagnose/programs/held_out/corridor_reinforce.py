"""healthy: policy gradient with a noisy return, whose loss means little."""

import torch
from nobody import Nobody
from torch import nn
from torch.distributions import Categorical

torch.set_num_threads(1)
LENGTH = 6


def play(policy, episodes=16):
    """Walk a corridor; the goal is at its right end, every step costs."""
    position = torch.zeros(episodes, dtype=torch.long)
    done = torch.zeros(episodes, dtype=torch.bool)
    logits, actions, alive, returns = [], [], [], torch.zeros(episodes)
    for _ in range(14):
        out = policy(torch.eye(LENGTH)[position])
        action = Categorical(logits=out).sample()
        logits.append(out)
        actions.append(action)
        alive.append(~done)
        move = torch.where(torch.rand(episodes) < 0.1, 1 - action, action)  # slippery floor
        position = torch.where(done, position, (position + 2 * move - 1).clamp(0, LENGTH - 1))
        returns = returns - 0.1 * (~done)
        arrived = (position == LENGTH - 1) & ~done
        returns = returns + arrived
        done = done | arrived
    return torch.stack(logits), torch.stack(actions), torch.stack(alive), returns


def train(run):
    torch.manual_seed(0)
    policy = nn.Sequential(nn.Linear(LENGTH, 24), nn.Tanh(), nn.Linear(24, 2))
    optimizer = torch.optim.Adam(policy.parameters(), lr=0.01)
    run.on_start(policy, None, optimizer, (torch.eye(LENGTH), torch.ones(LENGTH)))
    run.on_context(None, None, None)
    baseline, mean_return = 0.0, 0.0
    for step in range(150):
        logits, actions, alive, returns = play(policy)
        advantage = returns - baseline
        baseline = 0.9 * baseline + 0.1 * returns.mean().item()
        log_probs = Categorical(logits=logits).log_prob(actions)
        loss = -(log_probs * alive * advantage).sum(0).mean()
        run.on_batch((actions, returns), logits, loss)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        run.on_step_end(step, step // 30, policy, optimizer)
        mean_return += returns.mean().item() / 30
        if step % 30 == 29:
            run.on_epoch_end(loss.item(), None)
            print(f"update {step + 1}: loss {loss.item():+.3f}, return {mean_return:+.3f} (best about +0.4)")
            mean_return = 0.0
    run.on_end()


if __name__ == "__main__":
    train(Nobody())
