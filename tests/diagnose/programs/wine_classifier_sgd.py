"""cause: inputs_not_normalized."""

import torch
from nobody import Nobody
from sklearn.datasets import load_wine
from sklearn.model_selection import train_test_split
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.set_num_threads(1)


def train(run):
    torch.manual_seed(0)
    x, y = load_wine(return_X_y=True)
    # repaired only: x = (x - x.mean(0)) / x.std(0)
    x_train, x_val, y_train, y_val = train_test_split(x, y, test_size=0.3, random_state=0, stratify=y)
    x_train, x_val = torch.tensor(x_train).float(), torch.tensor(x_val).float()
    y_train, y_val = torch.tensor(y_train), torch.tensor(y_val)
    loader = DataLoader(TensorDataset(x_train, y_train), batch_size=16, shuffle=True)

    model = nn.Sequential(nn.Linear(13, 32), nn.ReLU(), nn.Linear(32, 16), nn.ReLU(), nn.Linear(16, 3))
    criterion = nn.CrossEntropyLoss()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.02, momentum=0.9)
    run.on_start(model, criterion, optimizer, next(iter(loader)))
    run.on_context(loader, None, None)
    step = 0
    for epoch in range(40):
        total = 0.0
        for xb, yb in loader:
            optimizer.zero_grad()
            output = model(xb)
            loss = criterion(output, yb)
            run.on_batch((xb, yb), output, loss)
            loss.backward()
            optimizer.step()
            run.on_step_end(step, epoch, model, optimizer)
            step += 1
            total += loss.item()
        with torch.no_grad():
            output = model(x_val)
        val_loss = criterion(output, y_val).item()
        run.on_epoch_end(total / len(loader), val_loss)
        if (epoch + 1) % 10 == 0:
            accuracy = (output.argmax(1) == y_val).float().mean()
            print(
                f"Epoch {epoch + 1} - loss: {total / len(loader):.4f} - val_loss: {val_loss:.4f} - acc: {accuracy:.3f}"
            )
    run.on_end()


if __name__ == "__main__":
    train(Nobody())
