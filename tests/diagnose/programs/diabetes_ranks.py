"""cause: non_differentiable_operation; raises: RuntimeError."""

import torch
from nobody import Nobody
from sklearn.datasets import load_diabetes
from sklearn.preprocessing import scale
from torch import nn


class Ordinal(nn.Module):
    """Sorts patients into five stages."""

    def __init__(self, stages=5):
        super().__init__()
        self.trunk = nn.Sequential(nn.Linear(10, 32), nn.ReLU(), nn.Linear(32, stages))
        self.register_buffer("stages", torch.arange(stages).float())

    def forward(self, x):
        scores = self.trunk(x)
        return scores.argmax(dim=1).float()  # repaired: return (scores.softmax(dim=1) * self.stages).sum(dim=1)


def train(run):
    torch.manual_seed(0)
    torch.set_num_threads(1)
    X, y = load_diabetes(return_X_y=True)
    X = torch.tensor(scale(X)).float()
    stage = torch.bucketize(torch.tensor(y).float(), torch.tensor([80.0, 120.0, 170.0, 230.0])).float()
    model = Ordinal()
    loss_fn = nn.L1Loss()
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    run.on_start(model, loss_fn, optimizer, (X[:32], stage[:32]))
    run.on_context(None, None, None)
    step = 0
    for epoch in range(15):
        total = 0.0
        for idx in torch.randperm(350).split(35):
            output = model(X[idx])
            loss = loss_fn(output, stage[idx])
            run.on_batch((X[idx], stage[idx]), output, loss)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            run.on_step_end(step, epoch, model, optimizer)
            step += 1
            total += loss.item() / 10
        with torch.no_grad():
            val = loss_fn(model(X[350:]), stage[350:]).item()
        run.on_epoch_end(total, val)
        if epoch % 5 == 4:
            print(f"epoch {epoch + 1}: off by {total:.3f} stages, {val:.3f} on held back patients")
    run.on_end()


if __name__ == "__main__":
    train(Nobody())
