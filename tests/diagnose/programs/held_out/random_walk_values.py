"""healthy: values learned from their own estimates, a target that moves."""

import copy

import torch
import torch.nn.functional as F
from nobody import Nobody
from torch import nn

torch.set_num_threads(1)
STATES = 9
TRUE = torch.arange(1, STATES + 1) / (STATES + 1)


def transitions(n):
    """A random walk that is paid 1 for leaving at the right end."""
    state = torch.randint(STATES, (n,))
    after = state + torch.randint(2, (n,)) * 2 - 1
    reward, ended = (after == STATES).float(), (after < 0) | (after == STATES)
    return state, after.clamp(0, STATES - 1), reward, ended


def train(run):
    torch.manual_seed(0)
    one_hot = torch.eye(STATES)
    value = nn.Sequential(nn.Linear(STATES, 32), nn.ReLU(), nn.Linear(32, 1))
    target_net = copy.deepcopy(value)
    optimizer = torch.optim.Adam(value.parameters(), lr=3e-3)
    run.on_start(value, F.mse_loss, optimizer, (one_hot, TRUE.unsqueeze(1)))
    run.on_context(None, None, None)
    running = 0.0
    for step in range(600):
        state, after, reward, ended = transitions(64)
        with torch.no_grad():
            target = reward + (~ended) * target_net(one_hot[after]).squeeze(1)
        output = value(one_hot[state]).squeeze(1)
        loss = F.mse_loss(output, target)
        run.on_batch((one_hot[state], target), output, loss)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        run.on_step_end(step, step // 100, value, optimizer)
        running += loss.item() / 100
        if step % 10 == 9:
            target_net.load_state_dict(value.state_dict())
        if step % 100 == 99:
            run.on_epoch_end(running, None)
            with torch.no_grad():
                error = (value(one_hot).squeeze(1) - TRUE).pow(2).mean().sqrt()
            print(f"step {step + 1}: td loss {running:.4f}, error of the values {error:.3f}")
            running = 0.0
    run.on_end()


if __name__ == "__main__":
    train(Nobody())
