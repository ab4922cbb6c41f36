"""healthy: L-BFGS, which computes the loss many times a step."""

import torch
import torch.nn.functional as F
from nobody import Nobody
from sklearn.datasets import load_wine
from sklearn.preprocessing import scale
from torch import nn

torch.set_num_threads(1)


def train(run):
    torch.manual_seed(0)
    x, y = load_wine(return_X_y=True)
    x, y = torch.tensor(scale(x), dtype=torch.float32), torch.tensor(y)
    perm = torch.randperm(len(x))
    x, y = x[perm], y[perm]
    x_train, y_train, x_val, y_val = x[:130], y[:130], x[130:], y[130:]
    model = nn.Sequential(nn.Linear(13, 8), nn.Tanh(), nn.Linear(8, 3))
    optimizer = torch.optim.LBFGS(model.parameters(), lr=0.3, max_iter=5)
    run.on_start(model, F.cross_entropy, optimizer, (x_train, y_train))
    run.on_context(None, None, None)

    def closure():
        optimizer.zero_grad()
        output = model(x_train)
        penalty = sum(p.pow(2).sum() for p in model.parameters())
        loss = F.cross_entropy(output, y_train) + 6e-3 * penalty
        run.on_batch((x_train, y_train), output, loss)
        loss.backward()
        return loss

    for step in range(20):
        loss = optimizer.step(closure).item()
        run.on_step_end(step, step, model, optimizer)
        with torch.no_grad():
            output = model(x_val)
            val_loss = F.cross_entropy(output, y_val).item()
        run.on_epoch_end(loss, val_loss)
        if step % 5 == 4:
            accuracy = (output.argmax(1) == y_val).float().mean()
            print(f"step {step + 1} loss {loss:.4f} val {val_loss:.4f} acc {accuracy:.3f}")
    run.on_end()


if __name__ == "__main__":
    train(Nobody())
