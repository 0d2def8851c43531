"""Scores of stored models, computed the slow and obvious way: one row at a time, from the stored text itself."""

import json
import math


def boosted_probability(text, row):
    """Probability of one row (numbers in the order of the features) by LightGBM's text."""
    total = 0.0
    for block in text.decode().split("Tree=")[1:]:
        lines = dict(line.split("=", 1) for line in block.split("\n")[1:] if "=" in line)
        tree = {name: value.split() for name, value in lines.items()}
        total += float(tree["leaf_value"][_leaf(tree, row)])
    return 1.0 / (1.0 + math.exp(-total))


def _leaf(tree, row):
    node = 0 if tree["left_child"] else -1
    while node >= 0:
        value = row[int(tree["split_feature"][node])]
        side = "left_child" if _goes_left(tree, node, value) else "right_child"
        node = int(tree[side][node])
    return -node - 1


def _goes_left(tree, node, value):
    kind = format(int(tree["decision_type"][node]), "04b")
    missing, by_default, by_category = kind[:2], kind[2] == "1", kind[3] == "1"
    if by_category:
        if math.isnan(value) or value < 0:
            return False
        chosen = int(float(tree["threshold"][node]))
        first, last = (int(tree["cat_boundaries"][chosen + more]) for more in (0, 1))
        words = [format(int(word), "032b")[::-1] for word in tree["cat_threshold"][first:last]]
        members = {place for place, bit in enumerate("".join(words)) if bit == "1"}
        return int(value) in members
    if missing == "10" and math.isnan(value):
        return by_default
    if math.isnan(value):
        value = 0.0
    if missing == "01" and abs(value) <= 1e-35:
        return by_default
    return value <= float(tree["threshold"][node])


def logistic_probability(card, row):
    """Probability of one row (feature → number or None) by the card of a logistic model."""
    content = json.loads(card)
    scorer = content["scorer"]
    numeric = [name for name in content["features"] if name not in content["categories"]]
    score = scorer["intercept"]
    for place, name in enumerate(numeric):
        if row[name] is None:
            score += scorer["missing"][place]
            continue
        deviation = (row[name] - scorer["means"][place]) / scorer["scales"][place]
        score += max(-10.0, min(10.0, deviation)) * scorer["slopes"][place]
    return 1.0 / (1.0 + math.exp(-max(-500.0, min(500.0, score))))
