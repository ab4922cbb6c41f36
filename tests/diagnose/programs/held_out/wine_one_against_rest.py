"""cause: bce_on_logits; raises: RuntimeError."""

import torch
from nobody import Nobody
from sklearn.datasets import load_wine
from sklearn.preprocessing import scale
from torch import nn


class OneAgainstRest(nn.Module):
    def __init__(self, features=13, hidden=16):
        super().__init__()
        self.norm = nn.BatchNorm1d(features)
        self.hidden = nn.Linear(features, hidden)
        self.out = nn.Linear(hidden, 1)

    def forward(self, x):
        out = self.out(torch.tanh(self.hidden(self.norm(x))))
        return out.squeeze(1)  # repaired: return torch.sigmoid(out).squeeze(1)


def train(run):
    torch.manual_seed(0)
    torch.set_num_threads(1)
    X, y = load_wine(return_X_y=True)
    X, y = torch.tensor(scale(X)).float(), torch.tensor(y == 0).float()
    order = torch.randperm(len(X))
    train_X, train_y, test_X, test_y = X[order[:120]], y[order[:120]], X[order[120:]], y[order[120:]]
    model = OneAgainstRest()
    loss_fn = nn.BCELoss()
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    run.on_start(model, loss_fn, optimizer, (train_X[:24], train_y[:24]))
    run.on_context(None, None, None)
    step = 0
    for epoch in range(15):
        model.train()
        total = 0.0
        for idx in torch.randperm(120).split(24):
            x, target = train_X[idx], train_y[idx]
            output = model(x)
            loss = loss_fn(output, target)
            run.on_batch((x, target), output, loss)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            run.on_step_end(step, epoch, model, optimizer)
            step += 1
            total += loss.item() / 5
        model.eval()
        with torch.no_grad():
            val = loss_fn(model(test_X), test_y).item()
        run.on_epoch_end(total, val)
        if epoch % 5 == 4:
            print(f"epoch {epoch + 1}: {total:.3f} {val:.3f}")
    run.on_end()


if __name__ == "__main__":
    train(Nobody())
