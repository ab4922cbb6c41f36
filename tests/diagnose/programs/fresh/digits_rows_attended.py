"""cause: weight_decay_too_high."""

import torch
from nobody import Nobody
from sklearn.datasets import load_digits
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.set_num_threads(1)
DECAY = 0.05  # repaired: DECAY = 1e-5


class Attended(nn.Module):
    """Rows of a digit, pooled by attention."""

    def __init__(self, width=40):
        super().__init__()
        self.row = nn.Sequential(nn.Linear(16, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU())
        self.score = nn.Linear(width, 4)
        self.head = nn.Linear(4 * width, 10)

    def forward(self, images):
        places = torch.eye(8).expand(len(images), 8, 8)
        rows = self.row(torch.cat([images, places], 2))
        weights = self.score(rows).softmax(1)
        return self.head((weights.transpose(1, 2) @ rows).flatten(1)), weights


def train(run):
    torch.manual_seed(17)
    digits = load_digits()
    x, y = torch.tensor(digits.images / 16).float(), torch.tensor(digits.target)
    train_loader = DataLoader(TensorDataset(x[:1350], y[:1350]), batch_size=27, shuffle=True)
    val_loader = DataLoader(TensorDataset(x[1350:], y[1350:]), batch_size=447)
    model = Attended()
    criterion = nn.CrossEntropyLoss()
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3, weight_decay=DECAY)
    run.on_start(model, lambda output, target: criterion(output[0], target), optimizer, next(iter(train_loader)))
    run.on_context(train_loader, val_loader, None)
    step = 0
    for epoch in range(10):
        total = 0.0
        for images, labels in train_loader:
            optimizer.zero_grad()
            output = model(images)
            loss = criterion(output[0], labels)
            run.on_batch((images, labels), output, loss)
            loss.backward()
            optimizer.step()
            run.on_step_end(step, epoch, model, optimizer)
            step += 1
            total += loss.item() / len(train_loader)
        with torch.no_grad():
            logits, _ = model(x[1350:])
            val_loss = criterion(logits, y[1350:]).item()
        run.on_epoch_end(total, val_loss)
        print(f"{epoch}: {total:.3f} val {val_loss:.3f} acc {(logits.argmax(1) == y[1350:]).float().mean():.3f}")
    run.on_end()


if __name__ == "__main__":
    train(Nobody())
