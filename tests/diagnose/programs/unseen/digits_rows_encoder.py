"""cause: weight_decay_too_high."""

import torch
from nobody import Nobody
from sklearn.datasets import load_digits
from torch import nn
from torch.nn import functional as F

torch.set_num_threads(1)


class Rows(nn.Module):
    """Reads a digit as eight tokens, its rows."""

    def __init__(self):
        super().__init__()
        self.lift = nn.Linear(8, 24)
        self.place = nn.Parameter(0.1 * torch.randn(8, 24))
        layer = nn.TransformerEncoderLayer(24, 2, 48, dropout=0.0, batch_first=True, norm_first=True)
        self.encoder = nn.TransformerEncoder(layer, 1, enable_nested_tensor=False)
        self.head = nn.Linear(24, 10)

    def forward(self, image):
        return self.head(self.encoder(self.lift(image) + self.place).mean(1))


def train(run):
    torch.manual_seed(44)
    digits = load_digits()
    x, y = torch.tensor(digits.images / 16).float(), torch.tensor(digits.target)
    order = torch.randperm(len(x))
    x, y = x[order], y[order]
    model = Rows()
    decay = 0.5  # repaired: decay = 1e-4
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3, weight_decay=decay)
    run.on_start(model, F.cross_entropy, optimizer, (x[:50], y[:50]))
    run.on_context(None, None, None)
    step = 0
    for epoch in range(7):
        total = 0.0
        for rows in torch.randperm(1500).split(50):
            optimizer.zero_grad()
            scores = model(x[rows])
            loss = F.cross_entropy(scores, y[rows])
            run.on_batch((x[rows], y[rows]), scores, loss)
            loss.backward()
            optimizer.step()
            run.on_step_end(step, epoch, model, optimizer)
            step += 1
            total += loss.item() / 30
        with torch.no_grad():
            scores = model(x[1500:])
        run.on_epoch_end(total, F.cross_entropy(scores, y[1500:]).item())
        print(f"epoch {epoch}: {total:.3f}, accuracy {(scores.argmax(1) == y[1500:]).float().mean():.3f}")
    run.on_end()


if __name__ == "__main__":
    train(Nobody())
