"""healthy: an autoencoder with sigmoid output and binary cross-entropy, whose floor is far above zero."""

import torch
from nobody import Nobody
from sklearn.datasets import load_digits
from torch import nn
from torch.utils.data import DataLoader

torch.set_num_threads(1)


class AutoEncoder(nn.Module):
    def __init__(self):
        super().__init__()
        self.encoder = nn.Sequential(nn.Linear(64, 48), nn.ReLU(), nn.Linear(48, 16))
        self.decoder = nn.Sequential(nn.Linear(16, 48), nn.ReLU(), nn.Linear(48, 64), nn.Sigmoid())

    def forward(self, x):
        return self.decoder(self.encoder(x))


def train(run):
    torch.manual_seed(0)
    x = torch.tensor(load_digits().data / 16, dtype=torch.float32)
    loader = DataLoader(x[:1400], batch_size=50, shuffle=True)
    model = AutoEncoder()
    loss_fn = nn.BCELoss()
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    run.on_start(model, loss_fn, optimizer, (x[:50], x[:50]))
    run.on_context(loader, None, None)
    step = 0
    for epoch in range(16):
        total = 0.0
        for batch in loader:
            optimizer.zero_grad()
            output = model(batch)
            loss = loss_fn(output, batch)
            run.on_batch((batch, batch), output, loss)
            loss.backward()
            optimizer.step()
            run.on_step_end(step, epoch, model, optimizer)
            step += 1
            total += loss.item() / len(loader)
        with torch.no_grad():
            output = model(x[1400:])
            val_loss, mse = loss_fn(output, x[1400:]).item(), (output - x[1400:]).pow(2).mean()
        run.on_epoch_end(total, val_loss)
        if epoch % 5 == 0:
            print(f"epoch {epoch}: bce {total:.4f} val {val_loss:.4f} mse {mse:.4f} of {x.var(0).mean():.4f}")
    run.on_end()


if __name__ == "__main__":
    train(Nobody())
