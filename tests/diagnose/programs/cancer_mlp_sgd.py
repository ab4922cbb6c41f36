"""cause: lr_too_low."""

import torch
from nobody import Nobody
from sklearn.datasets import load_breast_cancer
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


def train(run):
    torch.manual_seed(3)
    torch.set_num_threads(1)
    X, y = load_breast_cancer(return_X_y=True)
    X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.3, random_state=3)
    scaler = StandardScaler().fit(X_train)
    to_tensor = lambda a: torch.tensor(a, dtype=torch.float32)  # noqa: E731
    train_set = TensorDataset(to_tensor(scaler.transform(X_train)), to_tensor(y_train).unsqueeze(1))
    X_test, y_test = to_tensor(scaler.transform(X_test)), to_tensor(y_test).unsqueeze(1)
    loader = DataLoader(train_set, batch_size=32, shuffle=True)

    model = nn.Sequential(nn.Linear(30, 32), nn.ReLU(), nn.Linear(32, 1))
    criterion = nn.BCEWithLogitsLoss()
    optimizer = torch.optim.SGD(
        model.parameters(),
        lr=1e-4,  # repaired: lr=0.1,
    )
    run.on_start(model, criterion, optimizer, next(iter(loader)))
    run.on_context(loader, None, None)

    step = 0
    for epoch in range(20):
        losses = []
        for inputs, targets in loader:
            optimizer.zero_grad()
            logits = model(inputs)
            loss = criterion(logits, targets)
            run.on_batch((inputs, targets), logits, loss)
            loss.backward()
            optimizer.step()
            run.on_step_end(step, epoch, model, optimizer)
            losses.append(loss.item())
            step += 1
        with torch.no_grad():
            logits = model(X_test)
            test_loss = criterion(logits, y_test).item()
            accuracy = ((logits > 0) == (y_test > 0.5)).float().mean().item()
        run.on_epoch_end(sum(losses) / len(losses), test_loss)
        if epoch % 5 == 4:
            print(
                f"epoch {epoch + 1:2d}  loss {sum(losses) / len(losses):.4f}  test {test_loss:.4f}  acc {accuracy:.3f}"
            )
    run.on_end()


if __name__ == "__main__":
    train(Nobody())
