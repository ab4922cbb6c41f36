"""cause: wrong_loss_for_task."""

import torch
from nobody import Nobody
from sklearn.datasets import load_breast_cancer
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


def train(run):
    torch.manual_seed(0)
    torch.set_num_threads(1)
    X, y = load_breast_cancer(return_X_y=True)
    X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.25, random_state=1)
    scaler = StandardScaler().fit(X_train)
    X_train, X_test = torch.tensor(scaler.transform(X_train)).float(), torch.tensor(scaler.transform(X_test)).float()
    y_train, y_test = torch.tensor(y_train).float().view(-1, 1), torch.tensor(y_test).float().view(-1, 1)
    loader = DataLoader(TensorDataset(X_train, y_train), batch_size=32, shuffle=True)

    model = nn.Sequential(nn.Linear(30, 16), nn.ReLU(), nn.Linear(16, 1))
    loss_fn = nn.CrossEntropyLoss()  # repaired: loss_fn = nn.BCEWithLogitsLoss()
    optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
    run.on_start(model, loss_fn, optimizer, next(iter(loader)))
    run.on_context(loader, None, None)
    step = 0
    for epoch in range(12):
        total = 0.0
        for x, target in loader:
            output = model(x)
            loss = loss_fn(output, target)
            run.on_batch((x, target), output, loss)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            run.on_step_end(step, epoch, model, optimizer)
            step += 1
            total += loss.item() / len(loader)
        with torch.no_grad():
            output = model(X_test)
            accuracy = ((output > 0) == (y_test == 1)).float().mean()
        run.on_epoch_end(total, loss_fn(output, y_test).item())
        if epoch % 3 == 2:
            print(f"epoch {epoch + 1}: loss {total:.4f}, test accuracy {accuracy:.3f}")
    run.on_end()


if __name__ == "__main__":
    train(Nobody())
