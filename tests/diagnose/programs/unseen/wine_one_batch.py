"""cause: same_batch_every_step; accepts: overfitting."""

import torch
from nobody import Nobody
from sklearn.datasets import load_wine
from sklearn.preprocessing import scale
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.set_num_threads(1)


def train(run):
    torch.manual_seed(57)
    x, y = load_wine(return_X_y=True)
    order = torch.randperm(178)
    x, y = torch.tensor(scale(x)).float()[order], torch.tensor(y)[order]
    shuffled = False  # repaired: shuffled = True
    loader = DataLoader(TensorDataset(x[:130], y[:130]), batch_size=10, shuffle=shuffled)
    model = nn.Sequential(nn.Linear(13, 24), nn.SELU(), nn.Linear(24, 3))
    criterion = nn.CrossEntropyLoss()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
    run.on_start(model, criterion, optimizer, next(iter(loader)))
    run.on_context(loader, None, None)
    batches = iter(loader)
    for step in range(200):
        batches = iter(loader)  # repaired: batches = iter(loader) if step % 13 == 0 else batches
        features, kind = next(batches)
        optimizer.zero_grad()
        scores = model(features)
        loss = criterion(scores, kind)
        run.on_batch((features, kind), scores, loss)
        loss.backward()
        optimizer.step()
        run.on_step_end(step, step // 50, model, optimizer)
        if step % 50 == 49:
            with torch.no_grad():
                val = criterion(model(x[130:]), y[130:]).item()
            run.on_epoch_end(loss.item(), val)
            print(f"step {step}: {loss.item():.4f} {val:.4f}")
    run.on_end()


if __name__ == "__main__":
    train(Nobody())
