"""cause: class_imbalance."""

import numpy as np
import torch
import torch.nn.functional as F
from nobody import Nobody
from sklearn.datasets import load_digits
from sklearn.metrics import recall_score
from torch import nn

torch.set_num_threads(1)


def train(run):
    torch.manual_seed(1)
    x, y = load_digits(return_X_y=True)
    x = x / 16
    x_val, y_val = torch.tensor(x[1000:], dtype=torch.float32), y[1000:]
    # what the scanner saw in a week: mostly ones
    rows = np.concatenate([np.flatnonzero(y[:1000] == k)[: 95 if k == 1 else 5] for k in range(10)])
    x_train, y_train = torch.tensor(x[rows], dtype=torch.float32), torch.tensor(y[rows])
    counts = torch.bincount(y_train)
    weight = torch.ones(10)  # repaired: weight = counts.sum() / (10 * counts.float())
    print("samples:", counts.tolist())

    model = nn.Sequential(nn.Linear(64, 32), nn.Tanh(), nn.Linear(32, 10))
    loss_fn = nn.CrossEntropyLoss(weight=weight)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    run.on_start(model, loss_fn, optimizer, (x_train[:28], y_train[:28]))
    run.on_context(None, None, None)
    step = 0
    for epoch in range(24):
        losses = []
        for idx in torch.randperm(len(x_train)).split(28):
            optimizer.zero_grad()
            output = model(x_train[idx])
            loss = loss_fn(output, y_train[idx])
            run.on_batch((x_train[idx], y_train[idx]), output, loss)
            loss.backward()
            optimizer.step()
            run.on_step_end(step, epoch, model, optimizer)
            step += 1
            losses.append(loss.item())
        with torch.no_grad():
            output = model(x_val)
        val_loss = F.cross_entropy(output, torch.tensor(y_val)).item()
        run.on_epoch_end(float(np.mean(losses)), val_loss)
        if epoch % 8 == 7:
            recall = recall_score(y_val, output.argmax(1), average="macro")
            print(f"epoch {epoch + 1} loss {np.mean(losses):.3f} val {val_loss:.3f} macro recall {recall:.3f}")
    run.on_end()


if __name__ == "__main__":
    train(Nobody())
