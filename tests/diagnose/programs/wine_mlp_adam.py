"""cause: missing_backward."""

import torch
import torch.nn.functional as F
from nobody import Nobody
from sklearn.datasets import load_wine
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


class WineNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc1 = nn.Linear(13, 32)
        self.fc2 = nn.Linear(32, 3)

    def forward(self, x):
        return self.fc2(F.elu(self.fc1(x)))


def train(run):
    torch.manual_seed(11)
    torch.set_num_threads(1)
    X, y = load_wine(return_X_y=True)
    X_train, X_val, y_train, y_val = train_test_split(X, y, test_size=0.3, stratify=y, random_state=1)
    scaler = StandardScaler().fit(X_train)
    X_train, X_val = torch.tensor(scaler.transform(X_train)).float(), torch.tensor(scaler.transform(X_val)).float()
    y_train, y_val = torch.tensor(y_train), torch.tensor(y_val)
    loader = DataLoader(TensorDataset(X_train, y_train), batch_size=16, shuffle=True)
    val_loader = DataLoader(TensorDataset(X_val, y_val), batch_size=64)

    model = WineNet()
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    run.on_start(model, F.cross_entropy, optimizer, next(iter(loader)))
    run.on_context(loader, val_loader, None)
    step = 0
    for epoch in range(15):
        for x, target in loader:
            optimizer.zero_grad()
            output = model(x)
            loss = F.cross_entropy(output, target)
            run.on_batch((x, target), output, loss)
            # repaired only: loss.backward()
            optimizer.step()
            run.on_step_end(step, epoch, model, optimizer)
            step += 1
        with torch.no_grad():
            output = model(X_val)
            val_loss = F.cross_entropy(output, y_val)
        run.on_epoch_end(None, val_loss.item())
        if epoch % 5 == 4:
            accuracy = (output.argmax(1) == y_val).float().mean()
            print(f"epoch {epoch + 1}: val loss {val_loss:.3f}, accuracy {accuracy:.3f}")
    run.on_end()


if __name__ == "__main__":
    train(Nobody())
