"""healthy: the learning rate goes down to zero at the end, as planned."""

import torch
from nobody import Nobody
from sklearn.datasets import load_diabetes
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.set_num_threads(1)


def train(run):
    torch.manual_seed(0)
    x, y = load_diabetes(return_X_y=True)
    x = torch.tensor(x / x.std(0), dtype=torch.float32)
    y = torch.tensor((y - y.mean()) / y.std(), dtype=torch.float32).unsqueeze(1)
    loader = DataLoader(TensorDataset(x[:340], y[:340]), batch_size=34, shuffle=True)
    model = nn.Sequential(nn.Linear(10, 16), nn.ReLU(), nn.Linear(16, 1))
    loss_fn = nn.SmoothL1Loss()
    optimizer = torch.optim.AdamW(model.parameters(), lr=8e-3)
    scheduler = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.0, total_iters=300)
    run.on_start(model, loss_fn, optimizer, next(iter(loader)))
    run.on_context(loader, None, scheduler)
    step = 0
    for epoch in range(30):
        total = 0.0
        for xb, yb in loader:
            optimizer.zero_grad()
            output = model(xb)
            loss = loss_fn(output, yb)
            run.on_batch((xb, yb), output, loss)
            loss.backward()
            optimizer.step()
            scheduler.step()
            run.on_step_end(step, epoch, model, optimizer)
            step += 1
            total += loss.item() / len(loader)
        with torch.no_grad():
            output = model(x[340:])
            val_loss = loss_fn(output, y[340:]).item()
        run.on_epoch_end(total, val_loss)
        if epoch % 10 == 9:
            r2 = 1 - (output - y[340:]).pow(2).mean() / y[340:].var()
            print(f"epoch {epoch + 1}: {total:.4f} val {val_loss:.4f} r2 {r2:.3f} lr {scheduler.get_last_lr()[0]:.1e}")
    run.on_end()


if __name__ == "__main__":
    train(Nobody())
