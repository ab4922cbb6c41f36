"""cause: inputs_not_normalized."""

import torch
import torch.nn.functional as F
from nobody import Nobody
from sklearn.datasets import load_breast_cancer
from torch import nn

torch.set_num_threads(1)


class Tumour(nn.Module):
    def __init__(self, features=30, hidden=20):
        super().__init__()
        self.hidden = nn.Linear(features, hidden)
        self.out = nn.Linear(hidden, 1)

    def forward(self, x):
        return self.out(torch.tanh(self.hidden(x))).squeeze(-1)


def train(run):
    torch.manual_seed(4)
    data = load_breast_cancer()
    x = torch.tensor(data.data, dtype=torch.float32)
    # repaired only: x = (x - x.mean(0)) / x.std(0)
    y = torch.tensor(data.target, dtype=torch.float32)
    perm = torch.randperm(len(x))
    x, y = x[perm], y[perm]
    x_train, y_train, x_val, y_val = x[:420], y[:420], x[420:], y[420:]

    model = Tumour()
    opt = torch.optim.Adam(model.parameters(), lr=1e-3)
    run.on_start(model, F.binary_cross_entropy_with_logits, opt, (x_train[:30], y_train[:30]))
    run.on_context(None, None, None)
    step = 0
    for epoch in range(30):
        losses = []
        for idx in torch.randperm(420).split(30):
            out = model(x_train[idx])
            loss = F.binary_cross_entropy_with_logits(out, y_train[idx])
            run.on_batch((x_train[idx], y_train[idx]), out, loss)
            opt.zero_grad()
            loss.backward()
            opt.step()
            run.on_step_end(step, epoch, model, opt)
            step += 1
            losses.append(loss.item())
        with torch.no_grad():
            out = model(x_val)
            val = F.binary_cross_entropy_with_logits(out, y_val).item()
        run.on_epoch_end(sum(losses) / len(losses), val)
        if epoch % 10 == 9:
            accuracy = ((out > 0).float() == y_val).float().mean()
            print(f"epoch {epoch + 1}: {sum(losses) / len(losses):.4f} {val:.4f} acc {accuracy:.4f}")
    run.on_end()


if __name__ == "__main__":
    train(Nobody())
