"""cause: softmax_before_cross_entropy."""

import torch
from nobody import Nobody
from torch import nn
from torch.nn import functional as F

torch.set_num_threads(1)
TEXT = (
    "a loss says how wrong a guess is, and its slope says which way is less wrong; a step down the slope, and another, "
    "and the guesses get better, unless the slope is hidden, the step too long, or the question not the one meant. "
) * 12


class Letters(nn.Module):
    def __init__(self, kinds):
        super().__init__()
        self.letter, self.place = nn.Embedding(kinds, 32), nn.Embedding(16, 32)
        self.block = nn.TransformerEncoderLayer(32, 4, 64, dropout=0.0, batch_first=True)
        self.head = nn.Linear(32, kinds)

    def forward(self, x):
        mask = nn.Transformer.generate_square_subsequent_mask(x.shape[1])
        h = self.block(self.letter(x) + self.place(torch.arange(x.shape[1])), src_mask=mask, is_causal=True)
        return self.head(h).softmax(-1)  # repaired: return self.head(h)


def train(run):
    torch.manual_seed(71)
    alphabet = sorted(set(TEXT))
    text = torch.tensor([alphabet.index(letter) for letter in TEXT])
    windows = text.unfold(0, 17, 3)
    model = Letters(len(alphabet))
    optimizer = torch.optim.AdamW(model.parameters(), lr=4e-3)

    def loss_of(scores, target):
        return F.cross_entropy(scores.flatten(0, 1), target.flatten())

    run.on_start(model, loss_of, optimizer, (windows[:24, :-1], windows[:24, 1:]))
    run.on_context(None, None, None)
    step = 0
    for epoch in range(4):
        total, parts = 0.0, torch.randperm(len(windows)).split(24)
        for rows in parts:
            x, y = windows[rows, :-1], windows[rows, 1:]
            optimizer.zero_grad()
            scores = model(x)
            loss = loss_of(scores, y)
            run.on_batch((x, y), scores, loss)
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            run.on_step_end(step, epoch, model, optimizer)
            step += 1
            total += loss.item() / len(parts)
        run.on_epoch_end(total, None)
        print(f"epoch {epoch}: {total:.4f}")
    run.on_end()


if __name__ == "__main__":
    train(Nobody())
