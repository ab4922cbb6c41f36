"""cause: lr_killed_by_schedule."""

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
    loader = DataLoader(TensorDataset(X[:1500], y[:1500]), batch_size=50, shuffle=True)

    model = nn.Sequential(nn.Linear(64, 100), nn.Tanh(), nn.Linear(100, 10))
    loss_fn = nn.CrossEntropyLoss()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    scheduler = torch.optim.lr_scheduler.ExponentialLR(optimizer, gamma=0.8)
    run.on_start(model, loss_fn, optimizer, next(iter(loader)))
    run.on_context(loader, None, scheduler)

    step = 0
    for epoch in range(15):
        total = 0.0
        for x, target in loader:
            output = model(x)
            loss = loss_fn(output, target)
            run.on_batch((x, target), output, loss)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            run.on_step_end(step, epoch, model, optimizer)
            scheduler.step()  # repaired:
            total += loss.item()
            step += 1
        # repaired only: scheduler.step()
        run.on_epoch_end(total / len(loader), None)
        accuracy = (model(X[1500:]).argmax(1) == y[1500:]).float().mean().item()
        if epoch % 5 == 4:
            print(f"epoch {epoch + 1}: loss {total / len(loader):.4f}, accuracy {accuracy:.3f}")
    run.on_end()


if __name__ == "__main__":
    train(Nobody())
