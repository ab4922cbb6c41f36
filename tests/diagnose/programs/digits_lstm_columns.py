"""cause: gradients_never_zeroed."""

import torch
from nobody import Nobody
from sklearn.datasets import load_digits
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


class ColumnLSTM(nn.Module):
    def __init__(self, hidden=32):
        super().__init__()
        self.lstm = nn.LSTM(8, hidden, batch_first=True)
        self.classify = nn.Linear(hidden, 10)

    def forward(self, images):
        states, _ = self.lstm(images.transpose(1, 2))
        return self.classify(states[:, -1])


def train(run):
    torch.manual_seed(0)
    torch.set_num_threads(1)
    digits = load_digits()
    x, y = torch.tensor(digits.images).float() / 16, torch.tensor(digits.target)
    loader = DataLoader(TensorDataset(x[:1400], y[:1400]), batch_size=50, shuffle=True)
    model = ColumnLSTM()
    optimizer = torch.optim.Adam(model.parameters(), lr=0.02)
    loss_fn = nn.CrossEntropyLoss()
    run.on_start(model, loss_fn, optimizer, next(iter(loader)))
    run.on_context(loader, None, None)

    step = 0
    for epoch in range(10):
        train_loss = 0.0
        for images, labels in loader:
            logits = model(images)
            loss = loss_fn(logits, labels)
            run.on_batch((images, labels), logits, loss)
            loss.backward()
            optimizer.step()
            run.on_step_end(step, epoch, model, optimizer)
            # repaired only: optimizer.zero_grad(set_to_none=True)
            train_loss += loss.item() / len(loader)
            step += 1
        with torch.no_grad():
            logits = model(x[1400:])
            val_loss = loss_fn(logits, y[1400:]).item()
        run.on_epoch_end(train_loss, val_loss)
        if epoch % 3 == 0:
            print(f"{epoch} {train_loss:.3f} {val_loss:.3f} {(logits.argmax(1) == y[1400:]).float().mean():.3f}")
    run.on_end()


if __name__ == "__main__":
    train(Nobody())
