"""cause: gradients_zeroed_before_step."""

import torch
from nobody import Nobody
from sklearn.datasets import load_iris
from sklearn.model_selection import train_test_split
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


class Classifier(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(4, 24), nn.ReLU(), nn.Dropout(0.1))
        self.head = nn.Linear(24, 3)

    def forward(self, x):
        return self.head(self.body(x))


def train(run):
    torch.manual_seed(0)
    torch.set_num_threads(1)
    X, y = load_iris(return_X_y=True)
    X = (X - X.mean(0)) / X.std(0)
    X_train, X_test, y_train, y_test = train_test_split(X, y, stratify=y, random_state=0)
    train_set = TensorDataset(torch.tensor(X_train).float(), torch.tensor(y_train))
    X_test, y_test = torch.tensor(X_test).float(), torch.tensor(y_test)
    loader = DataLoader(train_set, batch_size=16, shuffle=True)
    model = Classifier()
    loss_fn = nn.CrossEntropyLoss()
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    run.on_start(model, loss_fn, optimizer, next(iter(loader)))
    run.on_context(loader, None, None)
    step = 0
    for epoch in range(20):
        model.train()
        total = 0.0
        for x, target in loader:
            output = model(x)
            loss = loss_fn(output, target)
            run.on_batch((x, target), output, loss)
            loss.backward()  # repaired: optimizer.zero_grad()
            optimizer.zero_grad()  # repaired: loss.backward()
            optimizer.step()
            run.on_step_end(step, epoch, model, optimizer)
            step += 1
            total += loss.item() / len(loader)
        model.eval()
        with torch.no_grad():
            output = model(X_test)
            accuracy = (output.argmax(1) == y_test).float().mean().item()
        run.on_epoch_end(total, loss_fn(output, y_test).item())
        if epoch % 5 == 4:
            print(f"epoch {epoch + 1}: loss {total:.3f}, test accuracy {accuracy:.3f}")
    run.on_end()


if __name__ == "__main__":
    train(Nobody())
