"""cause: output_range_mismatch."""

import torch
import torch.nn.functional as F
from nobody import Nobody
from sklearn.datasets import load_breast_cancer
from sklearn.preprocessing import scale
from torch import nn


class Texture(nn.Module):
    """Estimates the logarithm of a tumour's relative compactness from the other measurements."""

    def __init__(self):
        super().__init__()
        self.layers = nn.ModuleList([nn.Linear(24, 32), nn.Linear(32, 32), nn.Linear(32, 1)])

    def forward(self, x):
        for layer in self.layers[:-1]:
            x = F.silu(layer(x))
        return F.relu(self.layers[-1](x))  # repaired: return self.layers[-1](x)


def train(run):
    torch.manual_seed(0)
    torch.set_num_threads(1)
    data = load_breast_cancer().data
    y = torch.tensor(data[:, 5] / data[:, 5].mean()).float().log().unsqueeze(1)
    X = torch.tensor(scale(data[:, 6:])).float()
    order = torch.randperm(len(X))
    train_idx, test_idx = order[:450], order[450:]
    model = Texture()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
    run.on_start(model, F.l1_loss, optimizer, (X[train_idx[:45]], y[train_idx[:45]]))
    run.on_context(None, None, None)
    step = 0
    for epoch in range(20):
        total = 0.0
        for idx in train_idx[torch.randperm(450)].split(45):
            output = model(X[idx])
            loss = F.l1_loss(output, y[idx])
            run.on_batch((X[idx], y[idx]), output, loss)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            run.on_step_end(step, epoch, model, optimizer)
            step += 1
            total += loss.item() / 10
        with torch.no_grad():
            test_loss = F.l1_loss(model(X[test_idx]), y[test_idx]).item()
        run.on_epoch_end(total, test_loss)
        if epoch % 5 == 4:
            constant = (y - y.median()).abs().mean()
            print(f"epoch {epoch + 1}: {total:.3f}, test {test_loss:.3f} (median {constant:.3f})")
    run.on_end()


if __name__ == "__main__":
    train(Nobody())
