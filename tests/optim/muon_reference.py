"""Muon and AdamW as they are published, in double precision, and torch.optim's own two, for
muon_test.cpp.

    muon_reference.py INPUT OUTPUT LR DECAY BETA1 BETA2 EPSILON

INPUT holds `values.NAME` and `gradient.STEP.NAME` of a GPT-2 or a BERT; OUTPUT gets `exact.STEP.NAME`
and `torch.STEP.NAME`, the parameters after each step."""

import math
import sys

import torch
from safetensors.torch import load_file, save_file

MOMENTUM = 0.95


def is_hidden(name, tensor):
    in_block = name.startswith("transformer.h.") or name.startswith("bert.encoder.layer.")
    return in_block and tensor.dim() == 2


def matrices_of(name, tensor):
    """Views of the matrices that lie in a tensor."""
    if name.endswith("attn.c_attn.weight"):
        return tensor.chunk(3, dim=1)
    if name.endswith("attention.self.qkv.weight"):
        return tensor.chunk(3, dim=0)
    return [tensor]


def newton_schulz(matrix):
    """zeropower_via_newtonschulz5 of https://kellerjordan.github.io/posts/muon, in float64."""
    a, b, c = 3.4445, -4.7750, 2.0315
    x = matrix / matrix.norm().clamp(min=1e-7)
    if x.shape[0] > x.shape[1]:
        x = x.T
    for _ in range(5):
        gram = x @ x.T
        x = a * x + (b * gram + c * gram @ gram) @ x
    return x.T if matrix.shape[0] > matrix.shape[1] else x


class ExactMuon:
    def __init__(self, matrices):
        self.matrices = matrices
        self.momenta = [torch.zeros_like(matrix) for matrix in matrices]

    def step(self, gradients, lr, decay):
        for matrix, momentum, gradient in zip(self.matrices, self.momenta, gradients):
            momentum.lerp_(gradient, 1 - MOMENTUM)
            update = newton_schulz(gradient.lerp(momentum, MOMENTUM))
            matrix.mul_(1 - lr * decay)
            matrix.sub_(lr * 0.2 * math.sqrt(max(matrix.shape)) * update)


class ExactAdamW:
    def __init__(self, tensor):
        self.tensor = tensor
        self.first = torch.zeros_like(tensor)
        self.second = torch.zeros_like(tensor)
        self.count = 0

    def step(self, gradient, lr, decay, beta1, beta2, epsilon):
        self.count += 1
        self.first.lerp_(gradient, 1 - beta1)
        self.second.mul_(beta2).addcmul_(gradient, gradient, value=1 - beta2)
        first = self.first / (1 - beta1**self.count)
        second = self.second / (1 - beta2**self.count)
        self.tensor.sub_(lr * (first / (second.sqrt() + epsilon) + decay * self.tensor))


def run_exactly(values, gradients, lr, decay, betas, epsilon):
    values = {name: tensor.double() for name, tensor in values.items()}
    hidden = [name for name, tensor in values.items() if is_hidden(name, tensor)]
    muon = ExactMuon([matrix for name in hidden for matrix in matrices_of(name, values[name])])
    adamw = {name: ExactAdamW(values[name]) for name in values if name not in hidden}
    for step in gradients:
        step = {name: tensor.double() for name, tensor in step.items()}
        muon.step([matrix for name in hidden for matrix in matrices_of(name, step[name])], lr, decay)
        for name, optimizer in adamw.items():
            optimizer.step(step[name], lr, decay if values[name].dim() >= 2 else 0.0, *betas, epsilon)
        yield values


def run_torch(values, gradients, lr, decay, betas, epsilon):
    values = {name: tensor.clone() for name, tensor in values.items()}
    parameters = {name: [torch.nn.Parameter(part) for part in
                         (matrices_of(name, tensor) if is_hidden(name, tensor) else [tensor])]
                  for name, tensor in values.items()}
    def of(wanted):
        return [part for name in values if wanted(name) for part in parameters[name]]
    optimizers = [
        torch.optim.Muon(of(lambda name: is_hidden(name, values[name])), lr=lr, momentum=MOMENTUM,
                         weight_decay=decay, adjust_lr_fn="match_rms_adamw"),
        torch.optim.AdamW([
            {"params": of(lambda name: not is_hidden(name, values[name]) and values[name].dim() >= 2),
             "weight_decay": decay},
            {"params": of(lambda name: values[name].dim() < 2), "weight_decay": 0.0}],
            lr=lr, betas=betas, eps=epsilon)]
    for step in gradients:
        for name, parts in parameters.items():
            cuts = matrices_of(name, step[name]) if len(parts) > 1 else [step[name]]
            for part, gradient in zip(parts, cuts):
                part.grad = gradient.contiguous()
        for optimizer in optimizers:
            optimizer.step()
        # The parts are views of `values`, which an optimizer changes in place.
        yield values


def main():
    source, target = sys.argv[1:3]
    lr, decay, beta1, beta2, epsilon = map(float, sys.argv[3:])
    tensors = load_file(source)
    values = {name.removeprefix("values."): tensor
              for name, tensor in tensors.items() if name.startswith("values.")}
    num_steps = 1 + max(int(name.split(".")[1]) for name in tensors if name.startswith("gradient."))
    gradients = [{name: tensors[f"gradient.{step}.{name}"] for name in values}
                 for step in range(num_steps)]
    found = {}
    for kind, run in (("exact", run_exactly), ("torch", run_torch)):
        for step, after in enumerate(run(values, gradients, lr, decay, (beta1, beta2), epsilon)):
            for name, tensor in after.items():
                found[f"{kind}.{step}.{name}"] = tensor.detach().clone().contiguous()
    save_file(found, target)


if __name__ == "__main__":
    main()
