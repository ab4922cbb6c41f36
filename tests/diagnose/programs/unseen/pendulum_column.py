"""cause: target_shape_broadcast."""

import torch
from nobody import Nobody
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.set_num_threads(1)


def train(run):
    torch.manual_seed(75)
    state = 2 * torch.randn(1280, 2)
    pull = -torch.sin(state[:, 0]) - 0.2 * state[:, 1] + 0.05 * torch.randn(1280)
    # repaired only: pull = pull.unsqueeze(1)
    loader = DataLoader(TensorDataset(state, pull), batch_size=40, shuffle=True)
    model = nn.Sequential(nn.Linear(2, 48), nn.SiLU(), nn.Linear(48, 1))
    criterion = nn.HuberLoss(delta=0.5)
    optimizer = torch.optim.Adam(model.parameters(), lr=6e-3)
    run.on_start(model, criterion, optimizer, next(iter(loader)))
    run.on_context(loader, None, None)
    step = 0
    for epoch in range(8):
        total = 0.0
        for x, y in loader:
            optimizer.zero_grad()
            guess = model(x)
            loss = criterion(guess, y)
            run.on_batch((x, y), guess, loss)
            loss.backward()
            optimizer.step()
            run.on_step_end(step, epoch, model, optimizer)
            step += 1
            total += loss.item() / len(loader)
        run.on_epoch_end(total, None)
        print(f"epoch {epoch}: {total:.4f}")
    run.on_end()


if __name__ == "__main__":
    train(Nobody())
