"""cause: non_differentiable_operation."""

import torch
from nobody import Nobody
from sklearn.datasets import load_digits
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


class CodeNet(nn.Module):
    def __init__(self, bits=8):
        super().__init__()
        self.encoder = nn.Sequential(nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, bits))
        self.decoder = nn.Sequential(nn.Linear(bits, 32), nn.ReLU(), nn.Linear(32, 64))

    def forward(self, x):
        code = torch.sign(self.encoder(x))  # repaired: code = torch.tanh(self.encoder(x))
        return self.decoder(code)


def train(run):
    torch.manual_seed(0)
    torch.set_num_threads(1)
    X = torch.tensor(load_digits().data).float() / 16
    loader = DataLoader(TensorDataset(X[:1500]), batch_size=50, shuffle=True)
    model = CodeNet()
    loss_fn = nn.MSELoss()
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    run.on_start(model, loss_fn, optimizer, (X[:50], X[:50]))
    run.on_context(loader, None, None)
    step = 0
    for epoch in range(12):
        total = 0.0
        for (x,) in loader:
            optimizer.zero_grad()
            output = model(x)
            loss = loss_fn(output, x)
            run.on_batch((x, x), output, loss)
            loss.backward()
            optimizer.step()
            run.on_step_end(step, epoch, model, optimizer)
            step += 1
            total += loss.item() / len(loader)
        with torch.no_grad():
            val = loss_fn(model(X[1500:]), X[1500:]).item()
        run.on_epoch_end(total, val)
        if epoch % 4 == 3:
            print(f"epoch {epoch + 1}: train {total:.4f}, val {val:.4f}")
    run.on_end()


if __name__ == "__main__":
    train(Nobody())
