"""cause: loss_oscillating; accepts: momentum_too_high, batch_too_small."""

import torch
import torch.nn.functional as F
from nobody import Nobody
from sklearn.datasets import load_digits
from torch import nn

torch.set_num_threads(1)


def train(run):
    torch.manual_seed(0)
    x, y = load_digits(return_X_y=True)
    x, y = torch.tensor(x / 16, dtype=torch.float32), torch.tensor(y)
    x_train, y_train, x_val, y_val = x[:1400], y[:1400], x[1400:], y[1400:]

    model = nn.Sequential(nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 10))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.02, momentum=0.9)
    batch = 1  # repaired: batch = 32
    run.on_start(model, F.cross_entropy, optimizer, (x_train[:batch], y_train[:batch]))
    run.on_context(None, None, None)
    running = 0.0
    for step in range(1600):
        idx = torch.randint(len(x_train), (batch,))
        optimizer.zero_grad()
        output = model(x_train[idx])
        loss = F.cross_entropy(output, y_train[idx])
        run.on_batch((x_train[idx], y_train[idx]), output, loss)
        loss.backward()
        optimizer.step()
        run.on_step_end(step, step // 200, model, optimizer)
        running += loss.item() / 200
        if step % 200 == 199:
            with torch.no_grad():
                output = model(x_val)
                val_loss = F.cross_entropy(output, y_val).item()
            run.on_epoch_end(running, val_loss)
            accuracy = (output.argmax(1) == y_val).float().mean()
            print(f"step {step + 1} loss {running:.3f} val {val_loss:.3f} acc {accuracy:.3f}")
            running = 0.0
    run.on_end()


if __name__ == "__main__":
    train(Nobody())
