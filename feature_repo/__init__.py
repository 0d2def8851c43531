"""What a feature is: catalogue, transforms, Feast definitions, point-in-time offline store and online store.

`catalog` declares features, `transforms` computes them, `chunks` runs the transforms month by month. `offline_files`
keeps the results; `feature_store` is the way to read them back, offline as of an instant and online.
"""
