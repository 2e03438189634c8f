"""The metrics of eval/ in numpy, as their papers and published code have them: the whole matrix of distances, every window.

Reads {"real", "generated", "labels", "images", ...} as JSON from stdin and prints what each metric gives.
"""
import json
import sys

import numpy as np

given = json.load(sys.stdin)
real, generated = np.array(given["real"]), np.array(given["generated"])
labels, classes = np.array(given["labels"]), given["classes"]


def distances(a, b):
    return np.sqrt(((a[:, None, :] - b[None, :, :]) ** 2).sum(-1))


def radii(x, k):
    """To the k-th nearest other row: the nearest of all is the row itself."""
    return np.partition(distances(x, x), k, axis=1)[:, k]


def overlap(k, density_k):
    d = distances(real, generated)
    ball = d < radii(real, density_k)[:, None]
    return {
        "precision": float((d <= radii(real, k)[:, None]).any(0).mean()),
        "recall": float((d <= radii(generated, k)[None, :]).any(1).mean()),
        "density": float(ball.sum(0).mean() / density_k),
        "coverage": float((d.min(1) < radii(real, density_k)).mean()),
    }


def ssim(x, y):
    """Of two planes [height, width]."""
    i = np.arange(11) - 5
    w = np.exp(-(i[:, None] ** 2 + i[None, :] ** 2) / (2 * 1.5**2))
    w /= w.sum()
    windows = lambda p: np.lib.stride_tricks.sliding_window_view(p, (11, 11))
    x, y = windows(x), windows(y)
    mean = lambda v: (w * v).sum((-2, -1))
    mx, my = mean(x), mean(y)
    center = lambda v, m: v - m[..., None, None]
    vx, vy = mean(center(x, mx) ** 2), mean(center(y, my) ** 2)
    cov = mean(center(x, mx) * center(y, my))
    return ((2 * mx * my + 1e-4) * (2 * cov + 9e-4) / ((mx**2 + my**2 + 1e-4) * (vx + vy + 9e-4))).mean()


def frechet(a, b):
    s1, s2 = np.cov(a, rowvar=False), np.cov(b, rowvar=False)
    root = np.sqrt(np.maximum(np.linalg.eigvals(s1 @ s2).real, 0)).sum()
    return float(((a.mean(0) - b.mean(0)) ** 2).sum() + np.trace(s1) + np.trace(s2) - 2 * root)


def probe(x, test):
    """Ridge regression from standardized features to one-hot labels."""
    mean, std = x.mean(0), x.std(0)
    design = lambda v: np.hstack([(v - mean) / std, np.ones((len(v), 1))])
    a, y = design(x), np.eye(classes)[labels]
    w = np.linalg.solve(a.T @ a + 1e-3 * len(a) * np.eye(a.shape[1]), a.T @ y)
    return design(test) @ w


def log_softmax(z):
    z = z - z.max(1, keepdims=True)
    return z - np.log(np.exp(z).sum(1, keepdims=True))


def temperature(scores):
    """By Newton's method on the mean cross-entropy."""
    beta = 1.0
    for _ in range(100):
        p = np.exp(log_softmax(beta * scores))
        mean = (p * scores).sum(1)
        slope = (mean - scores[np.arange(len(scores)), labels]).mean()
        beta -= slope / ((p * scores**2).sum(1) - mean**2).mean()
    return float(beta)


def inception(logits):
    log_p = log_softmax(logits)
    p = np.exp(log_p)
    return float(np.exp((p * (log_p - np.log(p.mean(0)))).sum(1).mean()))


images, others = np.array(given["images"]), np.clip(np.array(given["others"]), 0, 1)
scores, test_scores = probe(real, real), probe(real, generated)
beta = temperature(scores)
guesses = scores.argmax(1)
print(
    json.dumps(
        {
            "overlap": overlap(3, 5),
            "overlapOfOtherNeighbors": overlap(4, 2),
            "ssim": [float(np.mean([ssim(p, q) for p, q in zip(x, y)])) for x, y in zip(images, others)],
            "frechet": frechet(real, generated),
            "scores": test_scores[:5].ravel().tolist(),
            "balancedAccuracy": float(np.mean([(guesses[labels == k] == k).mean() for k in range(classes)])),
            "inverseTemperature": beta,
            "inceptionScore": inception(beta * test_scores),
        },
        indent=2,
    )
)
