"""healthy: an actor and a critic with one optimizer, whose loss grows as the returns do."""

import torch
from nobody import Nobody
from torch import nn
from torch.distributions import Categorical

torch.set_num_threads(1)


class Agent(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(2, 32), nn.Tanh())
        self.actor, self.critic = nn.Linear(32, 2), nn.Linear(32, 1)

    def forward(self, state):
        h = self.body(state)
        return self.actor(h), self.critic(h).squeeze(-1)


def play(agent, count=24, length=40):
    """Keep a stick from falling: it gets faster the further it leans."""
    lean = 0.1 * torch.randn(count, 2)
    up = torch.ones(count, dtype=torch.bool)
    seen, done, alive = [], [], []
    for _ in range(length):
        with torch.no_grad():
            push = Categorical(logits=agent(lean)[0]).sample()
        seen.append(lean)
        done.append(push)
        alive.append(up)
        speed = lean[:, 1] + 0.12 * lean[:, 0] + 0.06 * (2 * push - 1) + 0.01 * torch.randn(count)
        lean = torch.stack([lean[:, 0] + speed, speed], 1)
        up = up & (lean[:, 0].abs() < 1)
        lean = lean.clamp(-2, 2)
    return torch.stack(seen), torch.stack(done), torch.stack(alive).float()


def train(run):
    torch.manual_seed(93)
    agent = Agent()
    optimizer = torch.optim.Adam(agent.parameters(), lr=8e-3)
    run.on_start(agent, None, optimizer, (torch.zeros(4, 2), torch.zeros(4)))
    run.on_context(None, None, None)
    for step in range(120):
        seen, done, alive = play(agent)
        returns = torch.zeros_like(alive)
        future = torch.zeros(alive.shape[1])
        for at in reversed(range(len(alive))):
            future = alive[at] * (1 + 0.97 * future)
            returns[at] = future
        logits, value = agent(seen)
        gain = (returns - value).detach()
        policy = Categorical(logits=logits)
        each = -policy.log_prob(done) * gain / 5 + 0.05 * (returns - value) ** 2 - 0.01 * policy.entropy()
        loss = (each * alive).sum() / alive.sum()
        run.on_batch((seen, returns), (logits, value), loss)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(agent.parameters(), 1.0)
        optimizer.step()
        run.on_step_end(step, step // 30, agent, optimizer)
        if step % 30 == 29:
            run.on_epoch_end(None, None)
            print(f"step {step}: loss {loss.item():.3f}, stood for {alive.sum(0).mean():.1f} of 40")
    run.on_end()


if __name__ == "__main__":
    train(Nobody())
