"""cause: missing_backward."""

import torch
from nobody import Nobody
from sklearn.datasets import load_digits
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


class Trainer:
    def __init__(self, model, lr, amp=False):
        self.model = model
        self.loss_fn = nn.CrossEntropyLoss(label_smoothing=0.05)
        self.optimizer = torch.optim.AdamW(model.parameters(), lr=lr)
        self.scaler = torch.amp.GradScaler("cpu", enabled=amp) if amp else None

    def update(self, loss):
        self.optimizer.zero_grad()
        if self.scaler is not None:
            self.scaler.scale(loss).backward()
            self.scaler.step(self.optimizer)
            self.scaler.update()
        else:
            # repaired only: loss.backward()
            self.optimizer.step()


def train(run):
    torch.manual_seed(0)
    torch.set_num_threads(1)
    X, y = load_digits(return_X_y=True)
    X, y = torch.tensor(X / 16).float(), torch.tensor(y)
    loader = DataLoader(TensorDataset(X[:1500], y[:1500]), batch_size=60, shuffle=True)
    trainer = Trainer(nn.Sequential(nn.Linear(64, 80), nn.SiLU(), nn.Linear(80, 10)), lr=5e-3)
    run.on_start(trainer.model, trainer.loss_fn, trainer.optimizer, next(iter(loader)))
    run.on_context(loader, None, None)
    step = 0
    for epoch in range(8):
        total = 0.0
        for batch in loader:
            logits = trainer.model(batch[0])
            loss = trainer.loss_fn(logits, batch[1])
            run.on_batch(batch, logits, loss)
            trainer.update(loss)
            run.on_step_end(step, epoch, trainer.model, trainer.optimizer)
            step += 1
            total += loss.item() / len(loader)
        run.on_epoch_end(total, None)
        with torch.no_grad():
            accuracy = (trainer.model(X[1500:]).argmax(1) == y[1500:]).float().mean()
        print(f"epoch {epoch} loss {total:.3f} accuracy {accuracy:.3f}")
    run.on_end()


if __name__ == "__main__":
    train(Nobody())
