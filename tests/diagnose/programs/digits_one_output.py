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
    y = y.float().unsqueeze(1)  # repaired:
    loader = DataLoader(TensorDataset(X[:1400], y[:1400]), batch_size=50, shuffle=True)
    outputs = 1  # repaired: outputs = 10
    model = nn.Sequential(nn.Linear(64, 48), nn.ReLU(), nn.Linear(48, outputs))
    loss_fn = nn.MSELoss()  # repaired: loss_fn = nn.CrossEntropyLoss()
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    run.on_start(model, loss_fn, optimizer, next(iter(loader)))
    run.on_context(loader, None, None)
    step = 0
    for epoch in range(10):
        total = 0.0
        for x, target in loader:
            optimizer.zero_grad()
            output = model(x)
            loss = loss_fn(output, target)
            run.on_batch((x, target), output, loss)
            loss.backward()
            optimizer.step()
            run.on_step_end(step, epoch, model, optimizer)
            step += 1
            total += loss.item() / len(loader)
        with torch.no_grad():
            predicted = model(X[1400:]).round()  # repaired: predicted = model(X[1400:]).argmax(1)
        run.on_epoch_end(total, None)
        if epoch % 3 == 0:
            print(f"epoch {epoch}: loss {total:.3f}, accuracy {(predicted == y[1400:]).float().mean():.3f}")
    run.on_end()


if __name__ == "__main__":
    train(Nobody())
