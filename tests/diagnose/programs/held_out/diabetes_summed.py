"""cause: loss_scale_wrong; accepts: lr_too_high."""

import torch
from nobody import Nobody
from sklearn.datasets import load_diabetes
from sklearn.preprocessing import scale
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


class Regressor(nn.Module):
    def __init__(self):
        super().__init__()
        self.hidden = nn.Linear(10, 32)
        self.out = nn.Linear(32, 1)

    def forward(self, x):
        return self.out(torch.relu(self.hidden(x))).squeeze(-1)


def train(run):
    torch.manual_seed(0)
    torch.set_num_threads(1)
    X, y = load_diabetes(return_X_y=True)
    X, y = torch.tensor(scale(X)).float(), torch.tensor(scale(y)).float()
    loader = DataLoader(TensorDataset(X[:352], y[:352]), batch_size=44, shuffle=True)
    val_loader = DataLoader(TensorDataset(X[352:], y[352:]), batch_size=90)
    model = Regressor()
    loss_fn = nn.MSELoss(reduction="sum")  # repaired: loss_fn = nn.MSELoss(reduction="mean")
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
    run.on_start(model, loss_fn, optimizer, next(iter(loader)))
    run.on_context(loader, val_loader, None)
    step = 0
    for epoch in range(15):
        train_loss = 0.0
        for x, target in loader:
            optimizer.zero_grad()
            prediction = model(x)
            loss = loss_fn(prediction, target)
            run.on_batch((x, target), prediction, loss)
            loss.backward()
            optimizer.step()
            run.on_step_end(step, epoch, model, optimizer)
            step += 1
            train_loss += loss.item() / len(loader)
        with torch.no_grad():
            prediction = model(X[352:])
            r2 = 1 - (prediction - y[352:]).square().mean() / y[352:].var(correction=0)
        run.on_epoch_end(train_loss, loss_fn(prediction, y[352:]).item())
        if epoch % 5 == 4:
            print(f"epoch {epoch + 1}: loss {train_loss:.3f}, R2 {r2:.3f}")
    run.on_end()


if __name__ == "__main__":
    train(Nobody())
