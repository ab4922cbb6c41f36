"""healthy: training goes on from a good fit, its loss is near zero from the first step."""

import torch
import torch.nn.functional as F
from nobody import Nobody
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from torch import nn

torch.set_num_threads(1)


def train(run):
    torch.manual_seed(0)
    x, y = load_digits(return_X_y=True)
    x = x / 16
    keep = y < 5
    fitted = LogisticRegression(C=100, max_iter=300).fit(x[keep], y[keep])
    x, y = torch.tensor(x[keep], dtype=torch.float32), torch.tensor(y[keep])
    model = nn.Linear(64, 5)
    model.weight.data = torch.tensor(fitted.coef_, dtype=torch.float32)
    model.bias.data = torch.tensor(fitted.intercept_, dtype=torch.float32)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    run.on_start(model, F.cross_entropy, optimizer, (x[:50], y[:50]))
    run.on_context(None, None, None)
    step = 0
    for epoch in range(15):
        losses = []
        for idx in torch.randperm(900).split(50):
            optimizer.zero_grad()
            output = model(x[idx])
            loss = F.cross_entropy(output, y[idx])
            run.on_batch((x[idx], y[idx]), output, loss)
            loss.backward()
            optimizer.step()
            run.on_step_end(step, epoch, model, optimizer)
            step += 1
            losses.append(loss.item())
        run.on_epoch_end(sum(losses) / len(losses), None)
        if epoch % 5 == 4:
            with torch.no_grad():
                accuracy = (model(x).argmax(1) == y).float().mean()
            print(f"epoch {epoch + 1}: loss {sum(losses) / len(losses):.5f} acc {accuracy:.3f}")
    run.on_end()


if __name__ == "__main__":
    train(Nobody())
