"""Training of a network of four layers in plain numpy, with written-out gradients."""

import numpy as np


def forward(layers, x):
    outputs = [x]
    for (weight, bias), bends in zip(layers, (True, False, True, False), strict=True):
        pre = outputs[-1] @ weight + bias
        outputs.append(np.tanh(pre) if bends else pre)
    return outputs


def gradients(layers, x):
    outputs = forward(layers, x)
    delta, found = 2 * (outputs[-1] - x) / x.size, []
    for number in range(3, -1, -1):
        if number in (0, 2):
            delta = delta * (1 - outputs[number + 1] ** 2)
        found.append((outputs[number].T @ delta, delta.sum(0)))
        delta = delta @ layers[number][0].T
    return np.mean((outputs[-1] - x) ** 2), found[::-1]


def adam(g, memory, t):
    memory[0] = 0.9 * memory[0] + 0.1 * g
    memory[1] = 0.999 * memory[1] + 0.001 * g**2
    return memory[0] / (1 - 0.9**t) / (np.sqrt(memory[1] / (1 - 0.999**t)) + 1e-8)


def momentum(g, memory, t):
    memory[0] = 0.9 * memory[0] + g
    return memory[0]


RULES = {"adam": adam, "sgd": lambda g, memory, t: g, "momentum": momentum}
RULES["nesterov"] = lambda g, memory, t: g + 0.9 * momentum(g, memory, t)


def run_in_numpy(params, rows, orders, batch, rule, rate, decay=0.0, clip=np.inf):
    """Train layer by layer with written-out gradients; `orders` has the row numbers of each epoch."""
    layers = [
        [np.float64(layer["weight"]), np.float64(layer["bias"])] for layer in params["encoder"] + params["decoder"]
    ]
    memories, losses, t = [[[0, 0], [0, 0]] for _ in layers], [], 0
    for order in orders:
        loss = 0.0
        for first in range(0, len(order), batch):
            x = rows[order[first : first + batch]].astype(np.float64)
            step_loss, found = gradients(layers, x)
            loss, t = loss + step_loss * len(x), t + 1
            norm = np.sqrt(sum((g**2).sum() for pair in found for g in pair))
            for layer, pair, memory in zip(layers, found, memories, strict=True):
                for part in (0, 1):
                    update = rule(pair[part] * min(1, clip / norm), memory[part], t)
                    layer[part] = layer[part] - rate * (update + (decay * layer[0] if part == 0 else 0))
        losses.append(loss / len(order))
    return layers, losses, step_loss
