"""cause: softmax_wrong_dim."""

import torch
import torch.nn.functional as F
from nobody import Nobody
from sklearn.datasets import load_digits
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc1 = nn.Linear(64, 64)
        self.fc2 = nn.Linear(64, 10)

    def forward(self, x):
        x = F.relu(self.fc1(x))
        return F.log_softmax(self.fc2(x), dim=0)  # repaired: return F.log_softmax(self.fc2(x), dim=1)


def train(run):
    torch.manual_seed(0)
    torch.set_num_threads(1)
    X, y = load_digits(return_X_y=True)
    X, y = torch.tensor(X / 16).float(), torch.tensor(y)
    loader = DataLoader(TensorDataset(X[:1440], y[:1440]), batch_size=40, shuffle=True)
    test_loader = DataLoader(TensorDataset(X[1440:], y[1440:]), batch_size=40)
    model = Net()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    run.on_start(model, F.nll_loss, optimizer, next(iter(loader)))
    run.on_context(loader, test_loader, None)
    step = 0
    for epoch in range(8):
        model.train()
        train_loss = 0.0
        for data, target in loader:
            optimizer.zero_grad()
            output = model(data)
            loss = F.nll_loss(output, target)
            run.on_batch((data, target), output, loss)
            loss.backward()
            optimizer.step()
            run.on_step_end(step, epoch, model, optimizer)
            step += 1
            train_loss += loss.item() / len(loader)
        model.eval()
        test_loss = correct = 0
        with torch.no_grad():
            for data, target in test_loader:
                output = model(data)
                test_loss += F.nll_loss(output, target).item() / len(test_loader)
                correct += (output.argmax(1) == target).sum().item()
        run.on_epoch_end(train_loss, test_loss)
        print(f"Epoch {epoch + 1}: train {train_loss:.3f}, test {test_loss:.3f}, accuracy {correct}/{len(X) - 1440}")
    run.on_end()


if __name__ == "__main__":
    train(Nobody())
