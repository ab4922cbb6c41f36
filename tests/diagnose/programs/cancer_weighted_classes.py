"""healthy: class weights that balance a skewed sample."""

import numpy as np
import torch
import torch.nn.functional as F
from nobody import Nobody
from sklearn.datasets import load_breast_cancer
from sklearn.metrics import balanced_accuracy_score
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import scale
from sklearn.utils.class_weight import compute_class_weight
from torch import nn

torch.set_num_threads(1)


def train(run):
    torch.manual_seed(0)
    x, y = load_breast_cancer(return_X_y=True)
    x = scale(x)
    keep = np.concatenate([np.flatnonzero(y == 1), np.flatnonzero(y == 0)[:60]])
    x, x_val, y, y_val = train_test_split(x[keep], y[keep], test_size=0.3, random_state=0, stratify=y[keep])
    weight = torch.tensor(compute_class_weight("balanced", classes=np.array([0, 1]), y=y), dtype=torch.float32)
    x, x_val = torch.tensor(x, dtype=torch.float32), torch.tensor(x_val, dtype=torch.float32)
    y, y_val = torch.tensor(y), torch.tensor(y_val)
    model = nn.Sequential(nn.Linear(30, 16), nn.ReLU(), nn.Linear(16, 2))
    loss_fn = nn.CrossEntropyLoss(weight=weight)
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3, weight_decay=1e-3)
    run.on_start(model, loss_fn, optimizer, (x[:32], y[:32]))
    run.on_context(None, None, None)
    step = 0
    for epoch in range(13):
        losses = []
        for idx in torch.randperm(len(x)).split(32):
            optimizer.zero_grad()
            output = model(x[idx])
            loss = loss_fn(output, y[idx])
            run.on_batch((x[idx], y[idx]), output, loss)
            loss.backward()
            optimizer.step()
            run.on_step_end(step, epoch, model, optimizer)
            step += 1
            losses.append(loss.item())
        with torch.no_grad():
            output = model(x_val)
        val_loss = F.cross_entropy(output, y_val, weight=weight).item()
        run.on_epoch_end(sum(losses) / len(losses), val_loss)
        if epoch % 6 == 0:
            score = balanced_accuracy_score(y_val, output.argmax(1))
            print(
                f"epoch {epoch} train {sum(losses) / len(losses):.3f} val {val_loss:.3f} balanced accuracy {score:.3f}"
            )
    run.on_end()


if __name__ == "__main__":
    train(Nobody())
