"""cause: lr_killed_by_schedule."""

import torch
from nobody import Nobody
from sklearn.datasets import load_digits
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.set_num_threads(1)


class Seq2Seq(nn.Module):
    """The four lower rows of a digit from the four upper ones."""

    def __init__(self, hidden=48):
        super().__init__()
        self.encoder = nn.GRU(8, hidden, batch_first=True)
        self.decoder = nn.GRU(8, hidden, batch_first=True)
        self.row = nn.Linear(hidden, 8)

    def forward(self, upper, before):
        _, state = self.encoder(upper)
        hidden, state = self.decoder(before, state)
        return self.row(hidden), state


def train(run):
    torch.manual_seed(4)
    images = torch.tensor(load_digits().images / 16).float()
    images = images[torch.randperm(len(images))]
    images = (images - images.mean()) / images.std()
    upper, before, lower = images[:, :4], images[:, 3:7], images[:, 4:]
    train_loader = DataLoader(TensorDataset(upper[:1400], before[:1400], lower[:1400]), batch_size=28, shuffle=True)
    model = Seq2Seq()
    mse = nn.MSELoss()
    optimizer = torch.optim.NAdam(model.parameters(), lr=4e-3)
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, step_size=4, gamma=0.5)
    run.on_start(model, lambda output, target: mse(output[0], target), optimizer, next(iter(train_loader)))
    run.on_context(train_loader, None, scheduler)
    step = 0
    for epoch in range(12):
        total = 0.0
        for batch in train_loader:
            optimizer.zero_grad()
            output = model(batch[0], batch[1])
            loss = mse(output[0], batch[2])
            run.on_batch(batch, output, loss)
            loss.backward()
            optimizer.step()
            scheduler.step()  # repaired:
            run.on_step_end(step, epoch, model, optimizer)
            step += 1
            total += loss.item() / len(train_loader)
        # repaired only: scheduler.step()
        with torch.no_grad():
            rows, _ = model(upper[1400:], before[1400:])
            val_loss = mse(rows, lower[1400:]).item()
        run.on_epoch_end(total, val_loss)
        print(f"epoch {epoch}: mse {total:.4f} val {val_loss:.4f}")
    run.on_end()


if __name__ == "__main__":
    train(Nobody())
