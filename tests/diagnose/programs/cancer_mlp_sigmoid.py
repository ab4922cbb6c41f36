"""cause: sigmoid_before_bce_with_logits."""

import torch
from nobody import Nobody
from sklearn.datasets import load_breast_cancer
from sklearn.preprocessing import scale
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


class Detector(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc1 = nn.Linear(30, 20)
        self.fc2 = nn.Linear(20, 10)
        self.fc3 = nn.Linear(10, 1)

    def forward(self, x):
        x = torch.relu(self.fc1(x))
        x = torch.relu(self.fc2(x))
        return torch.sigmoid(self.fc3(x))  # repaired: return self.fc3(x)


def train(run):
    torch.manual_seed(0)
    torch.set_num_threads(1)
    X, y = load_breast_cancer(return_X_y=True)
    X, y = torch.tensor(scale(X)).float(), torch.tensor(y).float().unsqueeze(1)
    loader = DataLoader(TensorDataset(X[:400], y[:400]), batch_size=20, shuffle=True)
    model = Detector()
    criterion = nn.BCEWithLogitsLoss()
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    run.on_start(model, criterion, optimizer, next(iter(loader)))
    run.on_context(loader, None, None)
    step = 0
    for epoch in range(15):
        losses = []
        for x, target in loader:
            optimizer.zero_grad()
            output = model(x)
            loss = criterion(output, target)
            run.on_batch((x, target), output, loss)
            loss.backward()
            optimizer.step()
            run.on_step_end(step, epoch, model, optimizer)
            step += 1
            losses.append(loss.item())
        with torch.no_grad():
            test_loss = criterion(model(X[400:]), y[400:]).item()
        run.on_epoch_end(sum(losses) / len(losses), test_loss)
        if epoch % 5 == 4:
            print(f"epoch {epoch + 1}: train {sum(losses) / len(losses):.3f} test {test_loss:.3f}")
    run.on_end()


if __name__ == "__main__":
    train(Nobody())
