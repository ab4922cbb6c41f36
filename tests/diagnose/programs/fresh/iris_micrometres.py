"""cause: inputs_not_normalized."""

import torch
from nobody import Nobody
from sklearn.datasets import load_iris
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.set_num_threads(1)


def train(run):
    torch.manual_seed(11)
    x, y = load_iris(return_X_y=True)
    order = torch.randperm(150)
    x, y = torch.tensor(x).float()[order], torch.tensor(y)[order]
    x = (x - x.mean(0)) / x.std(0)
    lens = 3000 + 900 * torch.randn(150)  # how far the lens stood, in micrometres
    # repaired only: lens = (lens - lens.mean()) / lens.std()
    x = torch.cat([x, lens[:, None]], 1)
    train_loader = DataLoader(TensorDataset(x[:110], y[:110]), batch_size=10, shuffle=True)
    val_loader = DataLoader(TensorDataset(x[110:], y[110:]), batch_size=40)
    model = nn.Sequential(nn.Linear(5, 20), nn.GELU(), nn.Linear(20, 3), nn.LogSoftmax(1))
    criterion = nn.NLLLoss()
    optimizer = torch.optim.RMSprop(model.parameters(), lr=2e-3)
    run.on_start(model, criterion, optimizer, next(iter(train_loader)))
    run.on_context(train_loader, val_loader, None)
    step = 0
    for epoch in range(40):
        total = 0.0
        for flowers, species in train_loader:
            optimizer.zero_grad()
            output = model(flowers)
            loss = criterion(output, species)
            run.on_batch((flowers, species), output, loss)
            loss.backward()
            optimizer.step()
            run.on_step_end(step, epoch, model, optimizer)
            step += 1
            total += loss.item() / len(train_loader)
        with torch.no_grad():
            output = model(x[110:])
            val_loss = criterion(output, y[110:]).item()
        run.on_epoch_end(total, val_loss)
        if epoch % 8 == 7:
            print(f"{epoch + 1}: {total:.3f} {val_loss:.3f} acc {(output.argmax(1) == y[110:]).float().mean():.3f}")
    run.on_end()


if __name__ == "__main__":
    train(Nobody())
