"""cause: labels_shuffled."""

import torch
import torch.nn.functional as F
from nobody import Nobody
from sklearn.datasets import load_wine
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler
from torch import nn

torch.set_num_threads(1)


class WineNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc1 = nn.Linear(13, 32)
        self.fc2 = nn.Linear(32, 3)

    def forward(self, x):
        return self.fc2(torch.tanh(self.fc1(x)))


def train(run):
    torch.manual_seed(0)
    x, y = load_wine(return_X_y=True)
    x_train, x_val = train_test_split(x, test_size=0.3, random_state=0)
    seed = 1  # repaired: seed = 0
    y_train, y_val = train_test_split(y, test_size=0.3, random_state=seed)
    scaler = StandardScaler().fit(x_train)
    x_train = torch.tensor(scaler.transform(x_train), dtype=torch.float32)
    x_val = torch.tensor(scaler.transform(x_val), dtype=torch.float32)
    y_train, y_val = torch.tensor(y_train), torch.tensor(y_val)

    net = WineNet()
    opt = torch.optim.SGD(net.parameters(), lr=0.05, momentum=0.9)
    run.on_start(net, F.cross_entropy, opt, (x_train[:16], y_train[:16]))
    run.on_context(None, None, None)
    step = 0
    for epoch in range(40):
        losses = []
        for idx in torch.randperm(len(x_train)).split(16):
            opt.zero_grad()
            out = net(x_train[idx])
            loss = F.cross_entropy(out, y_train[idx])
            run.on_batch((x_train[idx], y_train[idx]), out, loss)
            loss.backward()
            opt.step()
            run.on_step_end(step, epoch, net, opt)
            step += 1
            losses.append(loss.item())
        with torch.no_grad():
            out = net(x_val)
            val = F.cross_entropy(out, y_val).item()
        run.on_epoch_end(sum(losses) / len(losses), val)
        if epoch % 10 == 9:
            accuracy = (out.argmax(1) == y_val).float().mean()
            print(f"[{epoch + 1}] loss={sum(losses) / len(losses):.3f} val={val:.3f} acc={accuracy:.3f}")
    run.on_end()


if __name__ == "__main__":
    train(Nobody())
