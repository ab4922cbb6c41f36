"""cause: wrong_loss_for_task."""

import torch
from nobody import Nobody
from sklearn.datasets import load_digits
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


def train(run):
    torch.manual_seed(0)
    torch.set_num_threads(1)
    X, y = load_digits(return_X_y=True)
    X, y = torch.tensor(X / 16).float(), torch.tensor(y)
    # properties of a digit: even, at least five, prime, has a loop, a square; none or several may hold
    even, large, square = y % 2 == 0, y >= 5, torch.isin(y, torch.tensor([0, 1, 4, 9]))
    prime, loop = torch.isin(y, torch.tensor([2, 3, 5, 7])), torch.isin(y, torch.tensor([0, 6, 8, 9]))
    Y = torch.stack([even, large, prime, loop, square], dim=1).float()
    loader = DataLoader(TensorDataset(X[:1400], Y[:1400]), batch_size=50, shuffle=True)
    model = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 5))
    criterion = nn.CrossEntropyLoss()  # repaired: criterion = nn.BCEWithLogitsLoss()
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    run.on_start(model, criterion, optimizer, next(iter(loader)))
    run.on_context(loader, None, None)
    step = 0
    for epoch in range(10):
        total = 0.0
        for x, target in loader:
            optimizer.zero_grad()
            output = model(x)
            loss = criterion(output, target)
            run.on_batch((x, target), output, loss)
            loss.backward()
            optimizer.step()
            run.on_step_end(step, epoch, model, optimizer)
            step += 1
            total += loss.item() / len(loader)
        with torch.no_grad():
            output = model(X[1400:])
            right = ((output > 0) == (Y[1400:] == 1)).float().mean()
        run.on_epoch_end(total, criterion(output, Y[1400:]).item())
        if epoch % 3 == 0:
            print(f"epoch {epoch}: loss {total:.3f}, properties right {right:.3f}")
    run.on_end()


if __name__ == "__main__":
    train(Nobody())
