"""Writes tests/golden/tokencut_boxes.json: TokenCut by scipy's generalised eigensolver on the features of LOST's cases.

Run from the repository's root: python tests/peers/tokencut_golden.py (numpy, scipy, safetensors).
"""

import json

import numpy as np
from safetensors.numpy import load_file
from scipy import ndimage
from scipy.linalg import eigh

features = load_file("tests/golden/lost_features.safetensors")
cases = []
for case in json.load(open("tests/golden/lost_boxes.json")):
    f = features[f"features_{case['case']}"].astype(np.float64)
    f /= np.maximum(np.linalg.norm(f, axis=1, keepdims=True), 1e-12)
    cosines = f @ f.T
    edges = np.where(cosines > 0.2, 1.0, 1e-5)
    degrees = np.diag(edges.sum(axis=1))
    values, vectors = eigh(degrees - edges, degrees, subset_by_index=[0, 2])
    vector = vectors[:, 1]
    order = np.sort(np.abs(vector))
    # Kept only where the answer does not hang on rounding.
    clear = (
        values[2] - values[1] > 1e-6
        and order[-1] - order[-2] > 1e-9
        and np.abs(vector - vector.mean()).min() > 1e-9
        and np.abs(cosines - 0.2).min() > 1e-6
    )
    if not clear:
        continue
    side = vector > vector.mean()
    seed = int(np.argmax(np.abs(vector)))
    shape = (case["rows"], case["cols"])
    labels, _ = ndimage.label((side == side[seed]).reshape(shape))
    ys, xs = np.where(labels == labels[np.unravel_index(seed, shape)])
    p = case["patch"]
    box = [xs.min() * p, ys.min() * p, min((xs.max() + 1) * p, case["image_w"]), min((ys.max() + 1) * p, case["image_h"])]
    cases.append({"case": case["case"], "seed": seed, "box": [float(v) for v in box]})
json.dump(cases, open("tests/golden/tokencut_boxes.json", "w"))
print(len(cases), "cases")
