"""cause: no_shuffling."""

import torch
import torch.nn.functional as F
from nobody import Nobody
from sklearn.datasets import load_iris
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.set_num_threads(1)


def train(run):
    torch.manual_seed(0)
    x, y = load_iris(return_X_y=True)
    x = torch.tensor((x - x.mean(0)) / x.std(0), dtype=torch.float32)
    y = torch.tensor(y)
    held = torch.arange(len(x)) % 5 == 0
    train_set = TensorDataset(x[~held], y[~held])
    shuffle = False  # repaired: shuffle = True
    train_loader = DataLoader(train_set, batch_size=10, shuffle=shuffle)
    val_loader = DataLoader(TensorDataset(x[held], y[held]), batch_size=30)

    model = nn.Sequential(nn.Linear(4, 16), nn.ReLU(), nn.Linear(16, 3))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.2, momentum=0.9)
    run.on_start(model, F.cross_entropy, optimizer, next(iter(train_loader)))
    run.on_context(train_loader, val_loader, None)
    step = 0
    for epoch in range(9):
        losses = []
        for xb, yb in train_loader:
            output = model(xb)
            loss = F.cross_entropy(output, yb)
            run.on_batch((xb, yb), output, loss)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            run.on_step_end(step, epoch, model, optimizer)
            step += 1
            losses.append(loss.item())
        with torch.no_grad():
            xv, yv = next(iter(val_loader))
            output = model(xv)
        val_loss = F.cross_entropy(output, yv).item()
        run.on_epoch_end(sum(losses) / len(losses), val_loss)
        if epoch % 4 == 0:
            accuracy = (output.argmax(1) == yv).float().mean()
            print(f"epoch {epoch + 1:2d} loss {sum(losses) / len(losses):.3f} val {val_loss:.3f} acc {accuracy:.3f}")
    run.on_end()


if __name__ == "__main__":
    train(Nobody())
