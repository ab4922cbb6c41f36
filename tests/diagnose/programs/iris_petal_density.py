"""healthy: the likelihood of a density, a loss that goes below zero and on."""

import torch
from nobody import Nobody
from sklearn.datasets import load_iris
from torch import nn

torch.set_num_threads(1)


class MeanAndVariance(nn.Module):
    """Petal width from the other three measurements, with its spread."""

    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(3, 16), nn.Tanh())
        self.mean, self.log_var = nn.Linear(16, 1), nn.Linear(16, 1)

    def forward(self, x):
        h = self.body(x)
        return self.mean(h), self.log_var(h).exp()


def train(run):
    torch.manual_seed(0)
    data = torch.tensor(load_iris().data, dtype=torch.float32)
    data = data[torch.randperm(len(data))]
    x, y = data[:, :3], data[:, 3:] / 10  # width in centimetres, scaled to about 0..0.25
    x = (x - x.mean(0)) / x.std(0)
    model = MeanAndVariance()
    loss_fn = nn.GaussianNLLLoss()
    optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
    run.on_start(model, lambda output, target: loss_fn(output[0], target, output[1]), optimizer, (x[:20], y[:20]))
    run.on_context(None, None, None)
    step = 0
    for epoch in range(60):
        total = 0.0
        for idx in torch.randperm(120).split(20):
            optimizer.zero_grad()
            mean, var = model(x[idx])
            loss = loss_fn(mean, y[idx], var)
            run.on_batch((x[idx], y[idx]), (mean, var), loss)
            loss.backward()
            optimizer.step()
            run.on_step_end(step, epoch, model, optimizer)
            step += 1
            total += loss.item() / 6
        with torch.no_grad():
            mean, var = model(x[120:])
            val_loss = loss_fn(mean, y[120:], var).item()
        run.on_epoch_end(total, val_loss)
        if epoch % 15 == 14:
            r2 = 1 - (mean - y[120:]).pow(2).mean() / y[120:].var()
            print(f"epoch {epoch + 1}: nll {total:.3f} val {val_loss:.3f} r2 {r2:.3f}")
    run.on_end()


if __name__ == "__main__":
    train(Nobody())
