"""cause: output_range_mismatch."""

import torch
from nobody import Nobody
from sklearn.datasets import load_digits
from sklearn.preprocessing import StandardScaler
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


def train(run):
    torch.manual_seed(0)
    torch.set_num_threads(1)
    X = torch.tensor(StandardScaler().fit_transform(load_digits().data)).float()
    train_loader = DataLoader(TensorDataset(X[:1500]), batch_size=60, shuffle=True)
    val_loader = DataLoader(TensorDataset(X[1500:]), batch_size=300)
    encoder = nn.Sequential(nn.Linear(64, 48), nn.ReLU(), nn.Linear(48, 20))
    decoder = nn.Sequential(nn.Linear(20, 48), nn.ReLU(), nn.Linear(48, 64))
    decoder.append(nn.Sigmoid())  # repaired:
    model = nn.Sequential(encoder, decoder)
    loss_fn = nn.MSELoss()
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3, weight_decay=1e-4)
    run.on_start(model, loss_fn, optimizer, (X[:60], X[:60]))
    run.on_context(train_loader, val_loader, None)
    step = 0
    for epoch in range(10):
        total = 0.0
        for (x,) in train_loader:
            optimizer.zero_grad()
            output = model(x)
            loss = loss_fn(output, x)
            run.on_batch((x, x), output, loss)
            loss.backward()
            optimizer.step()
            run.on_step_end(step, epoch, model, optimizer)
            step += 1
            total += loss.item() / len(train_loader)
        with torch.no_grad():
            val_loss = loss_fn(model(X[1500:]), X[1500:]).item()
        run.on_epoch_end(total, val_loss)
        print(f"epoch {epoch + 1}: {total:.3f} {val_loss:.3f}")
    run.on_end()


if __name__ == "__main__":
    train(Nobody())
