"""cause: target_shape_broadcast."""

import torch
import torch.nn.functional as F
from nobody import Nobody
from sklearn.datasets import load_breast_cancer
from sklearn.preprocessing import scale
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = nn.Linear(29, 32)
        self.second = nn.Linear(32, 16)
        self.third = nn.Linear(16, 1)

    def forward(self, x):
        x = F.gelu(self.first(x))
        x = F.gelu(self.second(x))
        return self.third(x)[:, 0]


def train(run):
    torch.manual_seed(0)
    torch.set_num_threads(1)
    data = torch.tensor(scale(load_breast_cancer().data)).float()
    # predict the worst radius from everything else
    X, y = torch.cat([data[:, :20], data[:, 21:]], dim=1), data[:, 20]
    y = y.reshape(-1, 1)  # repaired:
    loader = DataLoader(TensorDataset(X[:420], y[:420]), batch_size=42, shuffle=True)
    model = Net()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
    run.on_start(model, F.smooth_l1_loss, optimizer, next(iter(loader)))
    run.on_context(loader, None, None)
    step = 0
    for epoch in range(15):
        losses = []
        for x, target in loader:
            prediction = model(x)
            loss = F.smooth_l1_loss(prediction, target)
            run.on_batch((x, target), prediction, loss)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            run.on_step_end(step, epoch, model, optimizer)
            step += 1
            losses.append(loss.item())
        with torch.no_grad():
            error = (model(X[420:]) - y[420:].flatten()).abs().mean()
        run.on_epoch_end(sum(losses) / len(losses), None)
        if epoch % 5 == 4:
            print(f"epoch {epoch + 1}: {sum(losses) / len(losses):.4f}, mean absolute error {error:.3f}")
    run.on_end()


if __name__ == "__main__":
    train(Nobody())
