"""Learns what words weigh for danger, and writes prompts/safety/weights.en.tsv.

    scripts/weigh            learns from tests/data/learn/*.jsonl, tests/data/safety*.jsonl, and as harmless from
                             tests/data/signals.jsonl and clients.toml; writes the weights
    scripts/weigh --check    only prints how the weights do on writers whose texts were left out

Two questions are learned: whether a text is danger (labelled elevated or more), and whether it is danger that pauses (high
or more). Grams are cut as src/domain/safety/scale.rs cuts them. The thresholds come from writers whose texts were left
out: a sign is what weighs more than all but a few of their harmless texts, doubt is what weighs less than all but a few
of their dangerous ones.
"""

import collections
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
RANK = {"none": 0, "elevated": 1, "high": 2, "crisis": 3, False: 0, True: 2}
DANGER, PAUSING = 1, 2
# The share of left-out harmless texts that weigh enough to be a sign, and of left-out dangerous ones that are doubted.
SIGNS = {DANGER: 0.02, PAUSING: 0.003}
DOUBTED = {DANGER: 0.18, PAUSING: 0.18}
FOLDS = 4
WORD_TEXTS_MIN, GRAM_TEXTS_MIN = 3, 3
LETTERS = (3, 4, 5)
# A gram that weighs less than this, for either question, is left out.
WEIGHT_MIN = 0.1


def fold(text):
    text = unicodedata.normalize("NFKD", text)
    text = "".join(c for c in text if not unicodedata.combining(c)).lower()
    return text.replace("\u2019", "'").replace("\u2018", "'").replace("`", "'")


def sentences(text):
    for sentence in re.split(r"[.!?\n;:]", fold(text)):
        words = [word.strip("'") for word in re.findall(r"[a-z0-9']+", sentence)]
        words = [word for word in words if word]
        if words:
            yield words


def grams(text, known):
    """The grams of a text: words in a row, pairs with one between, and the letters of words that are not known."""
    for words in sentences(text):
        row = ["<", *words, ">"]
        for size in (1, 2, 3):
            for at in range(len(row) - size + 1):
                is_unknown = size == 1 and row[at] not in known
                if not is_unknown:
                    yield " ".join(row[at : at + size])
        for at in range(1, len(row) - 3):
            yield f"{row[at]} _ {row[at + 2]}"
        for word in words:
            if word not in known:
                spelt = f"^{word}$"
                for size in LETTERS:
                    for at in range(len(spelt) - size + 1):
                        yield "~" + spelt[at : at + size]


def read(path):
    entries = [json.loads(line) for line in path.read_text().splitlines()]
    ranks = [RANK[entry.get("label", entry.get("level"))] for entry in entries]
    return [entry["text"] for entry in entries], numpy.array(ranks)


def harmless():
    signals = (ROOT / "tests/data/signals.jsonl").read_text().splitlines()
    clients = tomllib.loads((ROOT / "tests/data/clients.toml").read_text())["client"]
    said = [line for client in clients for lines in [client["default"], *client.get("at", {}).values()] for line in lines]
    texts = sorted({json.loads(line)["text"] for line in signals} | set(said))
    return texts, numpy.zeros(len(texts), dtype=int)


def joined(parts):
    return sum((texts for texts, _ in parts), []), numpy.concatenate([ranks for _, ranks in parts])


def scaled(matrix):
    count = numpy.sqrt(numpy.maximum(numpy.asarray(matrix.sum(axis=1)).ravel(), 1))
    return sparse.diags(1 / count) @ matrix.astype(float)


def telling(matrix, answers):
    """How much each gram tells by itself: the root of how far apart its shares in both kinds of texts lie, in powers of e.

    What a gram may weigh is scaled by it, so that those which stand as often in either kind of text weigh little."""
    shares = [1 + numpy.asarray(matrix[kind].sum(axis=0)).ravel() for kind in (answers, ~answers)]
    one, other = (share / share.sum() for share in shares)
    return numpy.sqrt(numpy.abs(numpy.log(one / other)))


class Scale:
    """Weights of grams for both questions."""

    def __init__(self, texts, ranks):
        seen = collections.Counter(word for text in texts for word in {w for words in sentences(text) for w in words})
        known = {word for word, count in seen.items() if count >= WORD_TEXTS_MIN} | {"<", ">"}
        edges = {"<", ">"}
        cut = lambda text: [gram for gram in grams(text, known) if gram not in edges]
        self.vectors = CountVectorizer(analyzer=cut, binary=True, min_df=GRAM_TEXTS_MIN)
        counts = self.vectors.fit_transform(texts)
        matrix = scaled(counts)
        self.bias, self.weights = {}, {}
        for question in (DANGER, PAUSING):
            scale = telling(counts, ranks >= question)
            model = LogisticRegression(C=15, max_iter=5000, class_weight="balanced")
            model.fit(matrix @ sparse.diags(scale), ranks >= question)
            self.bias[question], self.weights[question] = model.intercept_[0], model.coef_[0] * scale

    def weigh(self, texts):
        matrix = scaled(self.vectors.transform(texts))
        return {question: self.bias[question] + matrix @ self.weights[question] for question in self.weights}

    def rows(self):
        danger, pausing = self.weights[DANGER], self.weights[PAUSING]
        for gram, at in sorted(self.vectors.vocabulary_.items()):
            # A single word is kept whatever it weighs: its letters are not weighed where it is known.
            if " " not in gram and not gram.startswith("~") or max(abs(danger[at]), abs(pausing[at])) >= WEIGHT_MIN:
                yield f"{gram}\t{danger[at]:.2f}\t{pausing[at]:.2f}"


def left_out(sets, own):
    """Ranks and weights of every text of the sets, each weighed by what was learned without its writer."""
    names, weighed = sorted(sets), {}
    for fold_at in range(FOLDS):
        out = names[fold_at::FOLDS]
        scale = Scale(*joined([sets[name] for name in names if name not in out] + own))
        weighed |= {name: scale.weigh(sets[name][0]) for name in out}
    return weighed


def thresholds(sets, weighed):
    ranks = numpy.concatenate([sets[name][1] for name in sets])
    sign, doubt = {}, {}
    for question in (DANGER, PAUSING):
        weights = numpy.concatenate([weighed[name][question] for name in sets])
        sign[question] = float(numpy.quantile(weights[ranks == 0], 1 - SIGNS[question]))
        doubt[question] = float(numpy.quantile(weights[ranks >= question], DOUBTED[question]))
    return sign, doubt


def told(sets, weighed, sign):
    for name, (texts, ranks) in sets.items():
        shares = []
        for question, what in ((DANGER, "danger"), (PAUSING, "pausing")):
            hit = weighed[name][question] >= sign[question]
            of = lambda which: f"{hit[which].mean():.3f}" if which.any() else "-"
            shares.append(f"{what} {of(ranks >= question)}, harmless {of(ranks == 0)}")
        print(f"{name}: left out, of {len(texts)}: {'; '.join(shares)}")


def main():
    sets = {path.stem: read(path) for path in sorted((ROOT / "tests/data/learn").glob("*.jsonl"))}
    own = [read(path) for path in sorted((ROOT / "tests/data").glob("safety*.jsonl")) if "known" not in path.stem]
    own.append(harmless())
    weighed = left_out(sets, own)
    sign, doubt = thresholds(sets, weighed)
    told(sets, weighed, sign)
    if "--check" in sys.argv:
        return
    texts, ranks = joined([*sets.values(), *own])
    scale = Scale(texts, ranks)
    rows = list(scale.rows())
    pair = lambda name, of: f"={name}\t{of[DANGER]:.3f}\t{of[PAUSING]:.3f}"
    lines = [
        "# What words weigh for danger, and for danger that pauses: made by scripts/weigh, not by hand. docs/safety.md says",
        f"# how, and how well it does. {len(texts)} labelled texts, {int((ranks >= DANGER).sum())} of them danger;"
        f" {len(rows)} grams.",
        pair("bias", scale.bias),
        pair("sign", sign),
        pair("doubt", doubt),
        *rows,
    ]
    OUT.write_text("\n".join(lines) + "\n")
    print(f"{OUT.relative_to(ROOT)}: {len(rows)} grams, {OUT.stat().st_size >> 10} KiB; sign {sign}, doubt {doubt}")


main()
