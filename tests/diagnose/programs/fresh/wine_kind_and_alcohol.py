"""healthy: two tasks in batches that are dicts, with the sum of their losses."""

import torch
import torch.nn.functional as F
from nobody import Nobody
from sklearn.datasets import load_wine
from torch import nn
from torch.utils.data import DataLoader

torch.set_num_threads(1)


class TwoTasks(nn.Module):
    def __init__(self):
        super().__init__()
        self.shared = nn.Sequential(nn.Linear(12, 24), nn.CELU())
        self.heads = nn.ModuleDict({"kind": nn.Linear(24, 3), "alcohol": nn.Linear(24, 1)})

    def forward(self, x):
        h = self.shared(x)
        return {"kind": self.heads["kind"](h), "alcohol": self.heads["alcohol"](h).squeeze(1)}


def summed(output, batch):
    return F.cross_entropy(output["kind"], batch["kind"]) + F.mse_loss(output["alcohol"], batch["alcohol"])


def train(run):
    torch.manual_seed(24)
    data, kinds = load_wine(return_X_y=True)
    data = torch.tensor((data - data.mean(0)) / data.std(0)).float()
    order = torch.randperm(178).tolist()
    samples = [{"x": data[i, 1:], "alcohol": data[i, 0], "kind": int(kinds[i])} for i in order]
    train_loader = DataLoader(samples[:138], batch_size=12, shuffle=True)
    val_loader = DataLoader(samples[138:], batch_size=40)
    model = TwoTasks()
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3, weight_decay=0.02)
    run.on_start(model, summed, optimizer, next(iter(train_loader)))
    run.on_context(train_loader, val_loader, None)
    step = 0
    for epoch in range(20):
        total = 0.0
        for batch in train_loader:
            optimizer.zero_grad()
            output = model(batch["x"])
            loss = summed(output, batch)
            run.on_batch(batch, output, loss)
            loss.backward()
            optimizer.step()
            run.on_step_end(step, epoch, model, optimizer)
            step += 1
            total += loss.item() / len(train_loader)
        batch = next(iter(val_loader))
        with torch.no_grad():
            output = model(batch["x"])
            val_loss = summed(output, batch).item()
        run.on_epoch_end(total, val_loss)
        if epoch % 4 == 3:
            accuracy = (output["kind"].argmax(1) == batch["kind"]).float().mean()
            mse = F.mse_loss(output["alcohol"], batch["alcohol"])
            print(f"epoch {epoch + 1}: {total:.3f} val {val_loss:.3f} acc {accuracy:.3f} mse {mse:.3f}")
    run.on_end()


if __name__ == "__main__":
    train(Nobody())
