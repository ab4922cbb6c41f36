"""healthy: Poisson regression, whose loss is far below zero."""

import torch
from nobody import Nobody
from sklearn.datasets import load_diabetes
from torch import nn

torch.set_num_threads(1)


def train(run):
    torch.manual_seed(0)
    x, y = load_diabetes(return_X_y=True)
    x = torch.tensor(x / x.std(0), dtype=torch.float32)
    y = torch.tensor(y, dtype=torch.float32) / 10  # visits a year, about
    x, x_val, y, y_val = x[:340], x[340:], y[:340].round(), y[340:].round()
    model = nn.Sequential(nn.Linear(10, 12), nn.Tanh(), nn.Linear(12, 1), nn.Flatten(0))
    loss_fn = nn.PoissonNLLLoss(log_input=True)
    optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
    run.on_start(model, loss_fn, optimizer, (x[:20], y[:20]))
    run.on_context(None, None, None)
    step = 0
    for epoch in range(40):
        total = 0.0
        for idx in torch.randperm(340).split(20):
            optimizer.zero_grad()
            output = model(x[idx])
            loss = loss_fn(output, y[idx])
            run.on_batch((x[idx], y[idx]), output, loss)
            loss.backward()
            optimizer.step()
            run.on_step_end(step, epoch, model, optimizer)
            step += 1
            total += loss.item() / 17
        with torch.no_grad():
            output = model(x_val)
            val_loss = loss_fn(output, y_val).item()
        run.on_epoch_end(total, val_loss)
        if epoch % 10 == 9:
            r2 = 1 - (output.exp() - y_val).pow(2).mean() / y_val.var()
            print(f"epoch {epoch + 1}: nll {total:.3f} val {val_loss:.3f} r2 {r2:.3f}")
    run.on_end()


if __name__ == "__main__":
    train(Nobody())
