"""Segment aerial imagery into CoSIA classes: networks, checkpoints, inference, training and evaluation.

Needs the optional dependency ``torch`` (``pip install ocsge[segment]``); nothing else of ocsge imports this package
before a command asks for it. The centre (model cards, networks, tiling, inference) needs numpy and torch alone, so that
it runs on bare GPU machines; rasters are read and written around it.
"""
