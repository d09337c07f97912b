"""Learns what words weigh for danger, and writes prompts/safety/weights.en.tsv.

    scripts/weigh            learns from tests/data/learn/*.jsonl, tests/data/safety*.jsonl, and as harmless from
                             tests/data/signals.jsonl and clients.toml; writes the weights
    scripts/weigh --check    only prints how the weights do on each writer whose texts were left out

A text is danger where its label is elevated or more. Grams are cut as src/domain/safety/scale.rs cuts them. The
threshold is the one that four false alarms in two hundred harmless texts of left-out writers stay under.
"""

import json
import pathlib
import re
import sys
import tomllib
import unicodedata

import numpy
from scipy import sparse
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LogisticRegression

ROOT = pathlib.Path(__file__).parent.parent
OUT = ROOT / "prompts/safety/weights.en.tsv"
FALSE_ALARMS = 0.02
TEXTS_MIN = 2


def fold(text):
    text = unicodedata.normalize("NFKD", text)
    text = "".join(c for c in text if not unicodedata.combining(c)).lower()
    return text.replace("\u2019", "'").replace("\u2018", "'").replace("`", "'")


def grams(text):
    for sentence in re.split(r"[.!?\n;:]", fold(text)):
        words = [word.strip("'") for word in re.findall(r"[a-z0-9']+", sentence)]
        words = ["<"] + [word for word in words if word] + [">"]
        if len(words) == 2:
            continue
        for size in (1, 2, 3):
            for at in range(len(words) - size + 1):
                gram = " ".join(words[at : at + size])
                if gram not in ("<", ">"):
                    yield gram
        for at in range(1, len(words) - 3):
            yield f"{words[at]} _ {words[at + 2]}"


def read(path):
    texts, danger = [], []
    for line in path.read_text().splitlines():
        entry = json.loads(line)
        label = entry.get("label", entry.get("level"))
        texts.append(entry["text"])
        danger.append(label not in ("none", False))
    return texts, numpy.array(danger)


def harmless():
    signals = (ROOT / "tests/data/signals.jsonl").read_text().splitlines()
    clients = tomllib.loads((ROOT / "tests/data/clients.toml").read_text())["client"]
    said = [line for client in clients for lines in [client["default"], *client.get("at", {}).values()] for line in lines]
    texts = sorted({json.loads(line)["text"] for line in signals} | set(said))
    return texts, numpy.zeros(len(texts), dtype=bool)


def scaled(matrix):
    count = numpy.sqrt(numpy.maximum(numpy.asarray(matrix.sum(axis=1)).ravel(), 1))
    return sparse.diags(1 / count) @ matrix.astype(float)


def learn(texts, danger):
    vectors = CountVectorizer(analyzer=lambda text: list(grams(text)), binary=True, min_df=TEXTS_MIN)
    matrix = scaled(vectors.fit_transform(texts))
    model = LogisticRegression(C=10, max_iter=5000, class_weight="balanced").fit(matrix, danger)
    return vectors, model


def main():
    sets = {path.stem: read(path) for path in sorted((ROOT / "tests/data/learn").glob("*.jsonl"))}
    own = [read(path) for path in sorted((ROOT / "tests/data").glob("safety*.jsonl")) if "known" not in path.stem]
    own.append(harmless())
    own_texts = sum((texts for texts, _ in own), [])
    own_danger = numpy.concatenate([danger for _, danger in own])
    unalarming, scores = [], {}
    for left_out, (texts, danger) in sets.items():
        rest = [pair for name, pair in sets.items() if name != left_out]
        vectors, model = learn(
            sum((pair[0] for pair in rest), []) + own_texts,
            numpy.concatenate([pair[1] for pair in rest] + [own_danger]),
        )
        score = model.decision_function(scaled(vectors.transform(texts)))
        scores[left_out] = score
        unalarming.append(score[~danger])
    threshold = float(numpy.quantile(numpy.concatenate(unalarming), 1 - FALSE_ALARMS))
    for name, (texts, danger) in sets.items():
        hit = scores[name] >= threshold
        recall = f"{hit[danger].mean():.3f}" if danger.any() else "-"
        alarms = f"{hit[~danger].mean():.3f}" if (~danger).any() else "-"
        print(f"{name}: left out: recall {recall}, false alarms {alarms}, of {len(texts)}")
    if "--check" in sys.argv:
        return
    texts = sum((pair[0] for pair in sets.values()), []) + own_texts
    danger = numpy.concatenate([pair[1] for pair in sets.values()] + [own_danger])
    vectors, model = learn(texts, danger)
    weights = {gram: model.coef_[0][at] for gram, at in vectors.vocabulary_.items()}
    lines = [
        "# What words weigh for danger: made by scripts/weigh, not by hand. docs/safety.md says how, and how well it does.",
        f"# {len(texts)} labelled texts, {int(danger.sum())} of them danger; {len(weights)} grams.",
        f"=bias\t{model.intercept_[0]:.3f}",
        f"=threshold\t{threshold:.3f}",
    ]
    lines += [f"{gram}\t{weight:.2f}" for gram, weight in sorted(weights.items())]
    OUT.write_text("\n".join(lines) + "\n")
    print(f"{OUT.relative_to(ROOT)}: {len(weights)} grams, {OUT.stat().st_size >> 10} KiB, threshold {threshold:.3f}")


main()
