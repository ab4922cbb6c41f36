"""cause: dead_relu; accepts: bad_initialization."""

import torch
from nobody import Nobody
from sklearn.datasets import load_digits
from torch import nn
from torch.utils.data import DataLoader

torch.set_num_threads(1)


class Rebuild(nn.Module):
    """A digit through a code of 24 units."""

    def __init__(self):
        super().__init__()
        self.encode, self.decode = nn.Linear(64, 24), nn.Linear(24, 64)
        nn.init.uniform_(self.encode.weight, -0.25, 0.05)  # repaired: nn.init.uniform_(self.encode.weight, -0.15, 0.15)

    def forward(self, image):
        code = torch.relu(self.encode(image))
        return {"code": code, "image": self.decode(code)}


def train(run):
    torch.manual_seed(8)
    x = torch.tensor(load_digits().data / 16).float()
    x = x[torch.randperm(len(x))]
    train_loader = DataLoader([{"image": image} for image in x[:1500]], batch_size=30, shuffle=True)
    val_loader = DataLoader([{"image": image} for image in x[1500:]], batch_size=297)
    model = Rebuild()
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)

    def squared(output, batch):
        return (output["image"] - batch["image"]).square().sum(1).mean()

    run.on_start(model, squared, optimizer, next(iter(train_loader)))
    run.on_context(train_loader, val_loader, None)
    step = 0
    for epoch in range(10):
        total = 0.0
        for batch in train_loader:
            optimizer.zero_grad()
            output = model(batch["image"])
            loss = squared(output, batch)
            run.on_batch(batch, output, loss)
            loss.backward()
            optimizer.step()
            run.on_step_end(step, epoch, model, optimizer)
            step += 1
            total += loss.item() / len(train_loader)
        with torch.no_grad():
            val_loss = squared(model(x[1500:]), {"image": x[1500:]}).item()
        run.on_epoch_end(total, val_loss)
        print(f"epoch {epoch}: {total:.3f} val {val_loss:.3f}")
    run.on_end()


if __name__ == "__main__":
    train(Nobody())
