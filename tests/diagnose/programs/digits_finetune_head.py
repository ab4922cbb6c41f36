"""healthy: fine-tuning with a backbone that is frozen on purpose, and a tiny learning rate."""

import torch
from nobody import Nobody
from sklearn.datasets import load_digits
from sklearn.neural_network import MLPClassifier
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.set_num_threads(1)


def pretrained_backbone(x, y):
    """The hidden layer of a network that was trained on the digits 0 to 4."""
    known = MLPClassifier((64,), tol=1.0, n_iter_no_change=20, random_state=0).fit(x[y < 5], y[y < 5])
    layer = nn.Linear(64, 64)
    layer.weight.data = torch.tensor(known.coefs_[0].T, dtype=torch.float32)
    layer.bias.data = torch.tensor(known.intercepts_[0], dtype=torch.float32)
    return nn.Sequential(layer, nn.ReLU())


def train(run):
    torch.manual_seed(0)
    x, y = load_digits(return_X_y=True)
    x = x / 16
    backbone = pretrained_backbone(x[:1000], y[:1000])
    for parameter in backbone.parameters():
        parameter.requires_grad_(False)
    model = nn.Sequential(backbone, nn.Linear(64, 10))
    x, y = torch.tensor(x, dtype=torch.float32), torch.tensor(y)
    loader = DataLoader(TensorDataset(x[:1400], y[:1400]), batch_size=25, shuffle=True)
    loss_fn = nn.CrossEntropyLoss()
    optimizer = torch.optim.Adam((p for p in model.parameters() if p.requires_grad), lr=1e-3)
    run.on_start(model, loss_fn, optimizer, next(iter(loader)))
    run.on_context(loader, None, None)
    step = 0
    for epoch in range(15):
        total = 0.0
        for xb, yb in loader:
            optimizer.zero_grad()
            output = model(xb)
            loss = loss_fn(output, yb)
            run.on_batch((xb, yb), output, loss)
            loss.backward()
            optimizer.step()
            run.on_step_end(step, epoch, model, optimizer)
            step += 1
            total += loss.item() / len(loader)
        with torch.no_grad():
            output = model(x[1400:])
            val_loss = loss_fn(output, y[1400:]).item()
        run.on_epoch_end(total, val_loss)
        if epoch % 5 == 4:
            accuracy = (output.argmax(1) == y[1400:]).float().mean()
            print(f"epoch {epoch + 1}: train {total:.3f} val {val_loss:.3f} acc {accuracy:.3f}")
    run.on_end()


if __name__ == "__main__":
    train(Nobody())
