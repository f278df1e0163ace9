"""The published training step once more, as plainly as the method is written down; it knows nothing of the workbench.

Every term is spelled out, the derivatives are torch's, and Adam is written by hand.
"""

import math

import torch

NAMES = ("W_enc", "b_enc", "W_dec", "b_dec")


class PlainTrainer:
    def __init__(self, weights, *, l1, learning_rate, warm_up_steps, dead_window, ghosts=True, form="released"):
        self.weights = {name: weights[name].detach().clone().requires_grad_() for name in NAMES}
        self.l1, self.learning_rate, self.warm_up_steps = l1, learning_rate, warm_up_steps
        self.dead_window, self.ghosts, self.form = dead_window, ghosts, form
        self.first = {name: torch.zeros_like(weights[name]) for name in NAMES}
        self.second = {name: torch.zeros_like(weights[name]) for name in NAMES}
        self.silent_for = [0] * weights["b_enc"].numel()
        self.n_steps = 0

    def step(self, images):
        """Train on images (n, n_tokens, d_in); the terms of the loss and the dead latents, as plain numbers."""
        w = self.weights
        for weight in w.values():
            weight.grad = None
        with torch.no_grad():
            for row in w["W_dec"]:
                row /= math.sqrt(sum(row * row))
        dead = [s for s, passes in enumerate(self.silent_for) if passes > self.dead_window]
        x = images.reshape(-1, images.shape[-1])
        pre = (x - w["b_dec"]) @ w["W_enc"] + w["b_enc"]
        z = pre * (pre > 0)
        x_hat = z @ w["W_dec"] + w["b_dec"]
        mse = self.squares(x_hat, x)
        l1 = self.l1 * z.abs().sum() / len(x)
        ghost = self.ghost(x, x_hat, pre, dead, mse) if dead and self.ghosts else torch.zeros_like(mse)
        loss = mse.mean() + l1 + ghost.mean()
        loss.backward()
        with torch.no_grad():
            gradient, decoder = w["W_dec"].grad, w["W_dec"]
            for s in range(len(decoder)):
                gradient[s] = gradient[s] - decoder[s] * (decoder[s] * gradient[s]).sum()
            self.n_steps += 1
            for name in NAMES:
                self.adam(name)
            for s, fires in enumerate((z > 0).any(dim=0).tolist()):
                self.silent_for[s] = 0 if fires else self.silent_for[s] + 1
        terms = {"loss": loss, "mse": mse.mean(), "l1": l1, "ghost": ghost.mean()}
        return {name: term.item() for name, term in terms.items()} | {"n_dead": len(dead)}

    def squares(self, x_hat, x):
        """(n, d_in), whose mean is the error: (x_hat - x)^2 / ||x||, or the mean over tokens of the sum over d_in."""
        if self.form == "plain":
            return (x_hat - x) ** 2 * x.shape[1]
        return (x_hat - x) ** 2 / (x**2).sum(dim=1).sqrt()[:, None]

    def ghost(self, x, x_hat, pre, dead, mse):
        residual = (x - x_hat).detach()
        length = (residual**2).sum(dim=1).sqrt()[:, None]
        out = torch.exp(pre[:, dead]) @ self.weights["W_dec"][dead]
        scale = length / (2 * (out.detach() ** 2).sum(dim=1).sqrt()[:, None] + 1e-6)
        ghost = (out * scale - residual) ** 2 / length
        return ghost * (mse / (ghost + 1e-6)).detach()

    def adam(self, name):
        weight, gradient = self.weights[name], self.weights[name].grad
        rate = self.learning_rate * min(1, self.n_steps / self.warm_up_steps)
        self.first[name] = 0.9 * self.first[name] + 0.1 * gradient
        self.second[name] = 0.999 * self.second[name] + 0.001 * gradient**2
        first = self.first[name] / (1 - 0.9**self.n_steps)
        second = self.second[name] / (1 - 0.999**self.n_steps)
        weight -= rate * first / (second.sqrt() + 1e-8)
