"""cause: softmax_wrong_dim."""

import torch
from nobody import Nobody
from sklearn.cluster import KMeans
from torch import nn


class CharGRU(nn.Module):
    def __init__(self, vocabulary, hidden=48):
        super().__init__()
        self.embedding = nn.Embedding(vocabulary, 16)
        self.gru = nn.GRU(16, hidden, batch_first=True)
        self.linear = nn.Linear(hidden, vocabulary)

    def forward(self, ids):
        states, _ = self.gru(self.embedding(ids))
        return self.linear(states).log_softmax(dim=1)  # repaired: return self.linear(states).log_softmax(dim=2)


def train(run):
    torch.manual_seed(0)
    torch.set_num_threads(1)
    text = KMeans.__doc__
    chars = sorted(set(text))
    ids = torch.tensor([chars.index(c) for c in text])
    windows = ids.unfold(0, 21, 7)
    model = CharGRU(len(chars))
    nll = nn.NLLLoss()
    loss_fn = lambda output, target: nll(output.flatten(0, 1), target.flatten())  # noqa: E731
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    run.on_start(model, loss_fn, optimizer, (windows[:32, :-1], windows[:32, 1:]))
    run.on_context(None, None, None)
    step = 0
    for epoch in range(4):
        total, batches = 0.0, torch.randperm(len(windows)).split(32)
        for chosen in batches:
            x, y = windows[chosen, :-1], windows[chosen, 1:]
            output = model(x)
            loss = loss_fn(output, y)
            run.on_batch((x, y), output, loss)
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 5.0)
            optimizer.step()
            run.on_step_end(step, epoch, model, optimizer)
            step += 1
            total += loss.item() / len(batches)
        run.on_epoch_end(total, None)
        right = (model(windows[:200, :-1]).argmax(2) == windows[:200, 1:]).float().mean()
        print(f"epoch {epoch + 1}: {total:.3f}, next character right {right:.3f}")
    run.on_end()


if __name__ == "__main__":
    train(Nobody())
