"""cause: softmax_before_cross_entropy."""

import torch
from nobody import Nobody
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


def train(run):
    torch.manual_seed(0)
    torch.set_num_threads(1)
    X, y = load_digits(return_X_y=True)
    X_train, X_val, y_train, y_val = train_test_split(X / 16, y, test_size=0.2, stratify=y, random_state=0)
    train_set = TensorDataset(torch.tensor(X_train).float(), torch.tensor(y_train))
    val_set = TensorDataset(torch.tensor(X_val).float(), torch.tensor(y_val))
    train_loader = DataLoader(train_set, batch_size=64, shuffle=True)
    val_loader = DataLoader(val_set, batch_size=64)
    model = nn.Sequential(
        nn.Linear(64, 48),
        nn.ReLU(),
        nn.Linear(48, 24),
        nn.ReLU(),
        nn.Linear(24, 10),
        nn.Softmax(dim=1),  # repaired:
    )
    loss_fn = nn.CrossEntropyLoss()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    run.on_start(model, loss_fn, optimizer, next(iter(train_loader)))
    run.on_context(train_loader, val_loader, None)
    step = 0
    for epoch in range(10):
        train_loss = val_loss = correct = 0.0
        model.train()
        for x, target in train_loader:
            optimizer.zero_grad()
            output = model(x)
            loss = loss_fn(output, target)
            run.on_batch((x, target), output, loss)
            loss.backward()
            optimizer.step()
            run.on_step_end(step, epoch, model, optimizer)
            step += 1
            train_loss += loss.item() / len(train_loader)
        model.eval()
        with torch.no_grad():
            for x, target in val_loader:
                output = model(x)
                val_loss += loss_fn(output, target).item() / len(val_loader)
                correct += (output.argmax(1) == target).sum().item()
        run.on_epoch_end(train_loss, val_loss)
        if epoch % 3 == 0:
            print(f"epoch {epoch}: {train_loss:.3f} {val_loss:.3f} {correct / len(val_set):.3f}")
    run.on_end()


if __name__ == "__main__":
    train(Nobody())
