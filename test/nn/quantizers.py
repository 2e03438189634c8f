"""Reference values of the quantizers, from their papers' formulas in NumPy, float64, one latent at a time:

python3 test/nn/quantizers.py > test/nn/quantizers.json; npm run format
"""
import itertools
import json
import numpy as np

rng = np.random.default_rng(0)
BATCH, TOKENS = 2, 4


def plain(a):
    a = np.asarray(a)
    return {"shape": list(a.shape), "data": [float(f"{v:.9g}") for v in a.ravel()]}


def each(z):
    """The latents of z [batch, dim, 1, tokens], one after the other."""
    return [z[b, :, 0, t] for b in range(z.shape[0]) for t in range(z.shape[3])]


def like(z, rows):
    out = np.empty_like(z)
    for (b, t), row in zip(itertools.product(range(z.shape[0]), range(z.shape[3])), rows):
        out[b, :, 0, t] = row
    return out


def result(z, rows, ids, **more):
    return {"z": plain(z), "zQuantized": plain(like(z, rows)), "ids": [int(i) for i in ids], **more}


def fsq(levels):
    """arXiv:2309.15505, appendix A.1, with arctanh where its code has tan."""
    z = 1.5 * rng.standard_normal((BATCH, len(levels), 1, TOKENS))
    L = np.array(levels)
    half = (L - 1) * (1 - 1e-3) / 2
    offset = np.where(L % 2 == 1, 0.0, 0.5)
    shift = np.arctanh(offset / half)
    basis = np.concatenate([[1], np.cumprod(L[:-1])])
    codes, ids, slopes = [], [], []
    for row in each(z):
        k = np.round(np.tanh(row + shift) * half - offset)
        codes.append(k / (L // 2))
        ids.append(((k + L // 2) * basis).sum())
        slopes.append(half / np.cosh(row + shift) ** 2 / (L // 2))
    return result(z, codes, ids, levels=levels, slopes=plain(like(z, slopes)))


def ifsq(levels):
    """arXiv:2601.17124: 2 sigmoid(1.6 z) - 1, spread over L levels from -1 to 1."""
    z = 1.5 * rng.standard_normal((BATCH, len(levels), 1, TOKENS))
    L = np.array(levels)
    codes, ids, slopes = [], [], []
    for row in each(z):
        y = 2 / (1 + np.exp(-1.6 * row)) - 1
        grids = [np.linspace(-1, 1, n) for n in levels]
        nearest = [int(np.argmin(np.abs(grid - v))) for grid, v in zip(grids, y)]
        codes.append([grid[i] for grid, i in zip(grids, nearest)])
        ids.append(sum(i * int(np.prod(levels[:n])) for n, i in enumerate(nearest)))
        slopes.append(3.2 * np.exp(-1.6 * row) / (1 + np.exp(-1.6 * row)) ** 2)
    return result(z, codes, ids, levels=levels, slopes=plain(like(z, slopes)))


def entropy(p):
    return -sum(v * np.log(v) for v in p)


def binary(bits, spherical, beta, gamma, tau):
    """arXiv:2310.05737, section 3.1; arXiv:2406.07548, section 3: soft assignments to all codes, by their distances."""
    z = rng.standard_normal((BATCH, bits, 1, TOKENS))
    side = 1 / np.sqrt(bits) if spherical else 1.0
    corners = [side * np.array([1 if (v >> i) & 1 else -1 for i in range(bits)]) for v in range(2**bits)]
    codes, ids, distances, soft = [], [], [], []
    for row in each(z):
        u = row / np.linalg.norm(row) if spherical else row
        nearest = min(range(2**bits), key=lambda v: ((u - corners[v]) ** 2).sum())
        ids.append(nearest)
        codes.append(corners[nearest])
        distances.append(((u - corners[nearest]) ** 2).mean())
        p = np.array([np.exp(-((u - c) ** 2).sum() / tau) for c in corners])
        soft.append(p / p.sum())
    mean = np.mean(soft, axis=0)
    if spherical:  # the published bound: channel by channel
        on = [sum(mean[v] for v in range(2**bits) if (v >> i) & 1) for i in range(bits)]
        all_codes = sum(entropy([p, 1 - p]) for p in on)
    else:
        all_codes = entropy(mean)
    commitment = beta * np.mean(distances)
    entropy_loss = np.mean([entropy(p) for p in soft]) - all_codes
    options = {"spherical": spherical, "commitmentCost": beta, "entropyCost": gamma, "temperature": tau}
    losses = {"commitment": commitment, "entropy": entropy_loss, "loss": commitment + gamma * entropy_loss}
    return result(z, codes, ids, bits=bits, options=options, **losses)


def simvq(size, dim, beta):
    """arXiv:2411.02038: the nearest of the rows of C W^T."""
    z = rng.standard_normal((BATCH, dim, 1, TOKENS))
    C, W = rng.standard_normal((size, dim)), rng.standard_normal((dim, dim))
    book = np.array([W @ c for c in C])
    ids = [int(np.argmin([((row - e) ** 2).sum() for e in book])) for row in each(z)]
    codes = [book[i] for i in ids]
    error = np.mean([(row - e) ** 2 for row, e in zip(each(z), codes)])
    # d/dW of mean |W c - z|^2
    gradient = sum(2 * np.outer(e - row, C[i]) for row, e, i in zip(each(z), codes, ids)) / z.size
    return result(z, codes, ids, codes=plain(C), matrix=plain(W), beta=beta, commitment=beta * error, codebook=error, gradient=plain(gradient))


def rotation(rows, dim):
    """arXiv:2410.06424: the rotation in the plane of e and q by the angle between them, and the scaling, as a matrix."""
    e, q, pull = rng.standard_normal((3, rows, dim))
    matrices = []
    for a, b in zip(e, q):
        u = a / np.linalg.norm(a)
        v = b - (b @ u) * u
        v = v / np.linalg.norm(v)
        cos = (b @ u) / np.linalg.norm(b)
        sin = (b @ v) / np.linalg.norm(b)
        turn = np.eye(dim) + (cos - 1) * (np.outer(u, u) + np.outer(v, v)) + sin * (np.outer(v, u) - np.outer(u, v))
        matrices.append(np.linalg.norm(b) / np.linalg.norm(a) * turn)
    assert np.allclose([m @ a for m, a in zip(matrices, e)], q)
    gradient = [m.T @ g for m, g in zip(matrices, pull)]
    return {"e": plain(e), "q": plain(q), "pull": plain(pull), "gradient": plain(gradient)}


print(json.dumps({
    "fsq": [fsq([3, 4, 5]), fsq([8, 8])],
    "ifsq": [ifsq([3, 4, 5]), ifsq([8, 7])],
    "binary": [binary(3, False, 0.25, 0.1, 1.0), binary(4, False, 0.5, 0.3, 0.5), binary(3, True, 0.25, 0.1, 1 / 3), binary(5, True, 1.0, 0.2, 0.4)],
    "simvq": simvq(6, 3, 0.25),
    "rotation": rotation(5, 4),
}))
