"""cause: gradient_clipped_too_tight."""

import torch
from nobody import Nobody
from sklearn.datasets import load_digits
from torch import nn

torch.set_num_threads(1)
LIMIT = 1e-4  # repaired: LIMIT = 0.5


def contrastive(output, same):
    left, right = output
    distance = (left - right).pow(2).sum(1).add(1e-8).sqrt()
    return (same * distance**2 + (1 - same) * (2 - distance).clamp(min=0) ** 2).mean()


class Twins(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(64, 64), nn.ELU(), nn.Linear(64, 8))

    def forward(self, pair):
        return self.body(pair[0]), self.body(pair[1])


def draw(x, y, count):
    left = torch.randint(len(x), (count,))
    right = torch.stack([(y == y[i] if torch.rand(1) < 0.5 else y != y[i]).float().multinomial(1)[0] for i in left])
    return (x[left], x[right]), (y[left] == y[right]).float()


def train(run):
    torch.manual_seed(6)
    x, y = load_digits(return_X_y=True)
    x, y = torch.tensor(x / 16, dtype=torch.float32), torch.tensor(y)
    val_pair, val_same = draw(x[1300:], y[1300:], 400)
    model = Twins()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.8, nesterov=True)
    run.on_start(model, contrastive, optimizer, draw(x[:1300], y[:1300], 32))
    run.on_context(None, None, None)
    step = 0
    for epoch in range(8):
        total = 0.0
        for _ in range(40):
            pair, same = draw(x[:1300], y[:1300], 32)
            optimizer.zero_grad()
            output = model(pair)
            loss = contrastive(output, same)
            run.on_batch((pair, same), output, loss)
            loss.backward()
            nn.utils.clip_grad_value_(model.parameters(), LIMIT)
            optimizer.step()
            run.on_step_end(step, epoch, model, optimizer)
            step += 1
            total += loss.item() / 40
        with torch.no_grad():
            left, right = model(val_pair)
            val_loss = contrastive((left, right), val_same).item()
        run.on_epoch_end(total, val_loss)
        accuracy = (((left - right).norm(dim=1) < 1) == val_same.bool()).float().mean()
        print(f"epoch {epoch}: loss {total:.3f} val {val_loss:.3f} acc {accuracy:.3f}")
    run.on_end()


if __name__ == "__main__":
    train(Nobody())
