"""The region engine: class evidence and burned layers → regions above their minimum areas → polygons.

Nothing pixel-sized is kept: rows become runs, runs become regions, regions a graph. The order of the steps::

    shapes  polygons as flat arrays, each with the channel and value it paints
    burn    shapes → pixel intervals by an even-odd scanline at pixel centres
    runs    rows of a class raster as runs; cutting and joining windows of runs
    built   built evidence closed, grouped, dissolved or grown
    zone    zone construite from the built ground, on a 1 m lattice
    evidence  class runs × intervals → runs that carry cover, usage, rule, commune
    graph   runs → connected regions → border graph
    minimum_areas  undersized regions absorbed, in the order of their areas
    pieces  regions cut by commune, joined across windows, composition decided
    corners, simplify, polygons  pieces → arcs shared by neighbours → polygons
"""
