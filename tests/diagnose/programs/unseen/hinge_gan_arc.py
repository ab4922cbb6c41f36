"""healthy: a GAN with hinge losses and two steps of the critic, whose losses stand still."""

import torch
from nobody import Nobody
from torch import nn
from torch.nn import functional as F

torch.set_num_threads(1)


def arc(count):
    angle = torch.pi * torch.rand(count)
    return torch.stack([angle.cos(), angle.sin()], 1) + 0.05 * torch.randn(count, 2)


def net(before, after):
    return nn.Sequential(
        nn.Linear(before, 64), nn.LeakyReLU(0.2), nn.Linear(64, 64), nn.LeakyReLU(0.2), nn.Linear(64, after)
    )


def train(run):
    torch.manual_seed(92)
    net_g, net_d = net(4, 2), net(2, 1)
    model = nn.ModuleList([net_g, net_d])
    opt_g = torch.optim.Adam(net_g.parameters(), lr=5e-4, betas=(0.0, 0.9))
    opt_d = torch.optim.Adam(net_d.parameters(), lr=1e-3, betas=(0.0, 0.9))
    run.on_start(model, None, [opt_g, opt_d], (arc(64), torch.randn(64, 4)))
    run.on_context(None, None, None)
    for step in range(500):
        for _ in range(2):
            real, fake = arc(64), net_g(torch.randn(64, 4)).detach()
            on_real, on_fake = net_d(real), net_d(fake)
            loss_d = F.relu(1 - on_real).mean() + F.relu(1 + on_fake).mean()
            run.on_batch(real, (on_real, on_fake), loss_d)
            opt_d.zero_grad()
            loss_d.backward()
            opt_d.step()
        made = net_g(torch.randn(64, 4))
        loss_g = -net_d(made).mean()
        run.on_batch(real, made, loss_g)
        opt_g.zero_grad()
        loss_g.backward()
        opt_g.step()
        run.on_step_end(step, step // 100, model, [opt_g, opt_d])
        if step % 100 == 99:
            run.on_epoch_end(None, None)
            away = (made.norm(dim=1) - 1).abs().mean()
            print(f"step {step}: {loss_d.item():.3f} {loss_g.item():.3f}, {away:.3f} off the arc")
    run.on_end()


if __name__ == "__main__":
    train(Nobody())
