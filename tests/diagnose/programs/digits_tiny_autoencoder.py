"""cause: early_plateau."""

import torch
import torch.nn.functional as F
from nobody import Nobody
from sklearn.datasets import load_digits
from torch import nn

torch.set_num_threads(1)


def train(run):
    torch.manual_seed(0)
    x = torch.tensor(load_digits().data / 16, dtype=torch.float32)
    x_train, x_val = x[:1400], x[1400:]
    code = 1  # repaired: code = 16
    encoder = nn.Sequential(nn.Linear(64, 48), nn.GELU(), nn.Linear(48, code))
    decoder = nn.Sequential(nn.Linear(code, 48), nn.GELU(), nn.Linear(48, 64), nn.Sigmoid())
    model = nn.Sequential(encoder, decoder)
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    run.on_start(model, F.mse_loss, optimizer, (x_train[:64], x_train[:64]))
    run.on_context(None, None, None)
    step = 0
    for epoch in range(20):
        total = 0.0
        for idx in torch.randperm(1400).split(64):
            batch = x_train[idx]
            optimizer.zero_grad()
            output = model(batch)
            loss = F.mse_loss(output, batch)
            run.on_batch((batch, batch), output, loss)
            loss.backward()
            optimizer.step()
            run.on_step_end(step, epoch, model, optimizer)
            step += 1
            total += loss.item() / 22
        with torch.no_grad():
            val_loss = F.mse_loss(model(x_val), x_val).item()
        run.on_epoch_end(total, val_loss)
        if epoch % 5 == 4:
            print(f"epoch {epoch + 1}: mse {total:.4f} val {val_loss:.4f} of variance {x_val.var(0).mean():.4f}")
    run.on_end()


if __name__ == "__main__":
    train(Nobody())
