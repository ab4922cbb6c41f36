"""cause: missing_step."""

import torch
import torch.nn.functional as F
from nobody import Nobody
from sklearn.datasets import load_diabetes
from sklearn.preprocessing import scale
from torch import nn


def train(run):
    torch.manual_seed(0)
    torch.set_num_threads(1)
    X, y = load_diabetes(return_X_y=True)
    X, y = torch.tensor(scale(X)).float(), torch.tensor(scale(y)).float().unsqueeze(1)
    train_X, train_y, val_X, val_y = X[:352], y[:352], X[352:], y[352:]
    epochs, batch_size = 25, 32
    model = nn.Sequential(nn.Linear(10, 24), nn.LeakyReLU(), nn.Linear(24, 1))
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=epochs * 11)
    run.on_start(model, F.mse_loss, optimizer, (train_X[:32], train_y[:32]))
    run.on_context(None, None, scheduler)
    step = 0
    for epoch in range(epochs):
        losses = []
        for idx in torch.randperm(352).split(batch_size):
            x, target = train_X[idx], train_y[idx]
            prediction = model(x)
            loss = F.mse_loss(prediction, target)
            run.on_batch((x, target), prediction, loss)
            optimizer.zero_grad()
            loss.backward()
            # repaired only: optimizer.step()
            scheduler.step()
            run.on_step_end(step, epoch, model, optimizer)
            step += 1
            losses.append(loss.item())
        with torch.no_grad():
            val_loss = F.mse_loss(model(val_X), val_y).item()
        run.on_epoch_end(sum(losses) / len(losses), val_loss)
        if epoch % 5 == 4:
            print(f"epoch {epoch + 1}: {sum(losses) / len(losses):.4f}, val {val_loss:.4f}")
    run.on_end()


if __name__ == "__main__":
    train(Nobody())
