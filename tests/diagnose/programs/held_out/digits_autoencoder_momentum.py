"""cause: momentum_too_high; accepts: loss_oscillating."""

import torch
from nobody import Nobody
from sklearn.datasets import load_digits
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


class AutoEncoder(nn.Module):
    def __init__(self):
        super().__init__()
        self.encoder = nn.Sequential(nn.Linear(64, 48), nn.Tanh(), nn.Linear(48, 16))
        self.decoder = nn.Sequential(nn.Tanh(), nn.Linear(16, 48), nn.Tanh(), nn.Linear(48, 64))

    def forward(self, x):
        return self.decoder(self.encoder(x))


def train(run):
    torch.manual_seed(0)
    torch.set_num_threads(1)
    X = torch.tensor(load_digits().data).float() / 16
    X = X - X.mean(0)
    loader = DataLoader(TensorDataset(X), batch_size=64, shuffle=True)
    model = AutoEncoder()
    mse = nn.MSELoss()
    momentum = 0.999  # repaired: momentum = 0.9
    optimizer = torch.optim.SGD(model.parameters(), lr=0.5, momentum=momentum)
    run.on_start(model, mse, optimizer, (X[:64], X[:64]))
    run.on_context(loader, None, None)
    step = 0
    for epoch in range(12):
        total = 0.0
        for (x,) in loader:
            optimizer.zero_grad()
            reconstruction = model(x)
            loss = mse(reconstruction, x)
            run.on_batch((x, x), reconstruction, loss)
            loss.backward()
            optimizer.step()
            run.on_step_end(step, epoch, model, optimizer)
            total += loss.item()
            step += 1
        run.on_epoch_end(total / len(loader), None)
        print(f"epoch {epoch} mse {total / len(loader):.5f} (variance of the data {X.var():.5f})")
    run.on_end()


if __name__ == "__main__":
    train(Nobody())
