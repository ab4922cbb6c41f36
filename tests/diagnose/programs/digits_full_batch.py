"""healthy: all samples in one batch, the same in every step, as gradient descent wants it."""

import torch
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
    loss_fn = nn.CrossEntropyLoss()
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    run.on_start(model, loss_fn, optimizer, (x_train, y_train))
    run.on_context(None, None, None)
    for epoch in range(150):
        optimizer.zero_grad()
        output = model(x_train)
        loss = loss_fn(output, y_train)
        run.on_batch((x_train, y_train), output, loss)
        loss.backward()
        optimizer.step()
        run.on_step_end(epoch, epoch, model, optimizer)
        with torch.no_grad():
            output = model(x_val)
            val_loss = loss_fn(output, y_val).item()
        run.on_epoch_end(loss.item(), val_loss)
        if epoch % 30 == 29:
            accuracy = (output.argmax(1) == y_val).float().mean()
            print(f"iteration {epoch + 1}: train {loss.item():.4f}, val {val_loss:.4f}, acc {accuracy:.3f}")
    run.on_end()


if __name__ == "__main__":
    train(Nobody())
