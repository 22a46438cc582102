"""Universal Sentence Encoder multilingual v3 in PyTorch, and three ways to train it with torch.optim.Adam.

Written for speed as an engineer would who knows PyTorch well; tensor names are the checkpoint's. The figures of
`train_step.py` are against these. B texts, L places of the longest, N tokens of all texts, E = 512, H = 256.
"""

import math

import torch
import torch.nn.functional as F

CNN, DNN, TABLE = "EncoderDNN/CNN_layers", "EncoderDNN/DNN", "EncoderDNN/EmbeddingLookup/embeddings"
NGRAMS = ((2, 0), (3, 1), (5, 2))  # order, and how many of its tokens stand left of the one that it is about
LEARNING_RATE, BETAS, EPSILON, CLIPNORM = 1e-5, (0.9, 0.9999), 1e-7, 1.0


class Padded:
    """Texts filled up to the longest, (B, L); windows by conv1d."""

    def __init__(self, ids):
        self.lengths = torch.tensor([len(text) for text in ids])
        longest = max(map(len, ids))
        self.ids = torch.tensor([text + [0] * (longest - len(text)) for text in ids])
        self.inside = (torch.arange(longest) < self.lengths[:, None])[:, None, :].float()  # (B, 1, L)

    @staticmethod
    def prepare(weights):
        """Convolutions as conv1d wants them: (n * H, H) to (H, H, n)."""
        for name, tensor in weights.items():
            if name.endswith("/weights"):
                h = tensor.shape[1]
                weights[name] = tensor.reshape(-1, h, h).permute(2, 1, 0).contiguous()

    def ngram_order(self, e, n, left, weights):
        order = f"{CNN}/ngram_order_{n}"
        dense = f"{order}/input_size_projection/dense"
        x = F.linear(e, weights[f"{dense}/kernel"].T, weights[f"{dense}/bias"])
        x = layer_norm(x, weights, order).transpose(1, 2) * self.inside  # (B, H, L)
        for conv in "Conv", "Conv_1":
            name = f"{order}/Ngram-{n}-{conv}"
            window = F.pad(x, (left, n - 1 - left))
            x = (F.conv1d(window, weights[f"{name}/weights"], weights[f"{name}/bias"][0]).relu() + x) * self.inside
        return x.transpose(1, 2)

    def sum_over_texts(self, x):
        return torch.bmm(self.inside, x)[:, 0]


class Ragged:
    """Texts one after another, (N,); windows by index_select, a row of zeros standing for what is outside."""

    def __init__(self, ids):
        self.lengths = torch.tensor([len(text) for text in ids])
        self.ids = torch.tensor([token for text in ids for token in text])
        texts = torch.repeat_interleave(torch.arange(len(ids)), self.lengths)
        self.texts, outside = texts, len(texts)
        filled = F.pad(texts, (2, 2), value=-1)
        here = torch.arange(outside)[:, None]
        self.windows = {}
        for n, left in NGRAMS:
            places = here + torch.arange(-left, n - left)  # (N, n)
            self.windows[n] = torch.where(filled[places + 2] == texts[:, None], places, outside).flatten()

    @staticmethod
    def prepare(weights):
        pass

    def ngram_order(self, e, n, left, weights):
        order = f"{CNN}/ngram_order_{n}"
        dense = f"{order}/input_size_projection/dense"
        x = layer_norm(torch.addmm(weights[f"{dense}/bias"], e, weights[f"{dense}/kernel"]), weights, order)
        for conv in "Conv", "Conv_1":
            name = f"{order}/Ngram-{n}-{conv}"
            window = F.pad(x, (0, 0, 0, 1)).index_select(0, self.windows[n]).reshape(len(x), -1)
            x = torch.addmm(weights[f"{name}/bias"][0], window, weights[f"{name}/weights"]).relu() + x
        return x

    def sum_over_texts(self, x):
        return x.new_zeros(len(self.lengths), x.shape[1]).index_add(0, self.texts, x)


def layer_norm(x, weights, name):
    return F.layer_norm(x, x.shape[-1:], weights[f"{name}/LayerNorm/gamma"], weights[f"{name}/LayerNorm/beta"], 1e-12)


def encode(batch, e, weights, sum_first):
    """The texts' vectors (B, 512) of their tokens' rows of the table.

    The checkpoint projects each token and sums the projections. With `sum_first`, the rows are summed before, as
    Shamisen does it: a projection is linear, so the result is the same.
    """
    joint = torch.cat([e, *(batch.ngram_order(e, n, left, weights) for n, left in NGRAMS)], -1)
    f = layer_norm(joint, weights, CNN)
    kernel, bias = weights[f"{CNN}/dense/kernel"], weights[f"{CNN}/dense/bias"]
    lengths = batch.lengths[:, None].float()
    if sum_first:
        m = (batch.sum_over_texts(f) @ kernel + lengths * bias) / lengths.sqrt()
    else:
        m = batch.sum_over_texts(f @ kernel + bias) / lengths.sqrt()
    d = [weights[f"{DNN}/ResidualHidden_{i}/dense/kernel"] for i in range(4)]
    p1, p3 = (weights[f"{DNN}/ResidualHidden_{i}/AdjustDepth/projection/kernel"] for i in (1, 3))
    y0 = (m @ d[0]).relu()
    y1 = (m @ p1 + y0 @ d[1]).relu()
    y2 = (y1 @ d[2]).relu()
    z = (y1 @ p3 + y2 @ d[3]).tanh()
    return z / z.norm(dim=1, keepdim=True).clamp_min(1e-6)


def mean_squared_error(vectors, scores):
    """Of the angular similarity; the first half of the vectors are the left texts'."""
    u, v = vectors.chunk(2)
    angle = (u * v).sum(1).clamp(-0.99999, 0.99999).acos()
    return (1 - angle / math.pi - scores).square().mean()


def clip(gradients):
    """Keeps the norm of each variable's gradient to the bound, as Keras' clipnorm does."""
    norms = torch._foreach_norm(gradients)
    torch._foreach_mul_(gradients, list((CLIPNORM / torch.stack(norms).clamp_min(CLIPNORM)).unbind()))


class Dense:
    """torch.optim.Adam over everything, the table included."""

    def __init__(self, weights, batches, adam, sum_first):
        self.batches, self.sum_first = batches, sum_first
        weights = {name: tensor.clone() for name, tensor in weights.items()}
        batches.prepare(weights)
        self.table = torch.nn.Embedding.from_pretrained(weights.pop(TABLE), freeze=False)
        self.weights = {name: torch.nn.Parameter(tensor) for name, tensor in weights.items()}
        self.parameters = [*self.weights.values(), self.table.weight]
        self.adam = torch.optim.Adam(self.parameters, LEARNING_RATE, BETAS, EPSILON, **adam)

    def step(self, left, right, scores):
        batch = self.batches(left + right)
        self.adam.zero_grad()
        vectors = encode(batch, self.table(batch.ids), self.weights, self.sum_first)
        loss = mean_squared_error(vectors, torch.tensor(scores))
        loss.backward()
        clip([parameter.grad for parameter in self.parameters])
        self.adam.step()
        return loss.item()


class Sparse:
    """torch.optim.Adam over the layers; of the table, Adam over the batch's rows, their moments kept in tables.

    A row that a batch lacks rests, its momentum too, as with torch.optim.SparseAdam.
    """

    def __init__(self, weights, batches, adam, sum_first):
        self.batches, self.sum_first, self.steps = batches, sum_first, 0
        weights = {name: tensor.clone() for name, tensor in weights.items() if name != TABLE} | {TABLE: weights[TABLE]}
        batches.prepare(weights)
        self.rows = weights.pop(TABLE).clone()
        self.m, self.v = torch.zeros_like(self.rows), torch.zeros_like(self.rows)
        self.weights = {name: torch.nn.Parameter(tensor) for name, tensor in weights.items()}
        self.parameters = list(self.weights.values())
        self.adam = torch.optim.Adam(self.parameters, LEARNING_RATE, BETAS, EPSILON, **adam)

    def step(self, left, right, scores):
        batch = self.batches(left + right)
        self.adam.zero_grad()
        unique, inverse = batch.ids.unique(return_inverse=True)
        leaf = self.rows[unique].requires_grad_()
        vectors = encode(batch, F.embedding(inverse, leaf), self.weights, self.sum_first)
        loss = mean_squared_error(vectors, torch.tensor(scores))
        loss.backward()
        clip([parameter.grad for parameter in self.parameters] + [leaf.grad])
        self.adam.step()
        self.step_rows(unique, leaf)
        return loss.item()

    @torch.no_grad()
    def step_rows(self, unique, leaf):
        self.steps += 1
        corrections = [1 - beta**self.steps for beta in BETAS]
        m = self.m[unique].lerp_(leaf.grad, 1 - BETAS[0])
        v = self.v[unique].mul_(BETAS[1]).addcmul_(leaf.grad, leaf.grad, value=1 - BETAS[1])
        denominator = v.sqrt().div_(math.sqrt(corrections[1])).add_(EPSILON)
        leaf.addcdiv_(m, denominator, value=-LEARNING_RATE / corrections[0])
        for table, rows in (self.rows, leaf), (self.m, m), (self.v, v):
            table.index_copy_(0, unique, rows)
