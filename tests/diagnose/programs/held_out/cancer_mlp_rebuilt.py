"""cause: parameters_not_in_optimizer."""

import copy

import torch
from nobody import Nobody
from sklearn.datasets import load_breast_cancer
from sklearn.preprocessing import scale
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


class Net(nn.Module):
    def __init__(self, hidden=24):
        super().__init__()
        self.net = nn.Sequential(nn.Linear(30, hidden), nn.ReLU(), nn.Linear(hidden, 1))

    def forward(self, x):
        return self.net(x)


def train(run):
    torch.manual_seed(4)
    torch.set_num_threads(1)
    X, y = load_breast_cancer(return_X_y=True)
    X, y = torch.tensor(scale(X)).float(), torch.tensor(y).float()[:, None]
    train_set, test_X, test_y = TensorDataset(X[:400], y[:400]), X[400:], y[400:]
    loader = DataLoader(train_set, batch_size=40, shuffle=True)
    model = Net()
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)
    # keep the weights of the beginning for later comparison
    initial = model  # repaired: initial = copy.deepcopy(model)
    model = copy.deepcopy(initial)  # repaired:
    loss_fn = nn.BCEWithLogitsLoss()

    run.on_start(model, loss_fn, optimizer, next(iter(loader)))
    run.on_context(loader, None, None)
    step = 0
    for epoch in range(15):
        total = 0.0
        for x, target in loader:
            optimizer.zero_grad()
            logits = model(x)
            loss = loss_fn(logits, target)
            run.on_batch((x, target), logits, loss)
            loss.backward()
            optimizer.step()
            run.on_step_end(step, epoch, model, optimizer)
            step += 1
            total += loss.item() / len(loader)
        with torch.no_grad():
            before, after = loss_fn(initial(test_X), test_y).item(), loss_fn(model(test_X), test_y).item()
        run.on_epoch_end(total, after)
        if epoch % 5 == 4:
            print(f"epoch {epoch + 1}: train {total:.4f}, test before {before:.4f} after {after:.4f}")
    run.on_end()


if __name__ == "__main__":
    train(Nobody())
