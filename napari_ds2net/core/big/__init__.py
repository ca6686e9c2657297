"""Segmenting images that do not fit into memory: read and written part by part.

``segmenting`` goes through the whole of it. The network's maps are written strip by strip as they
become final; then the mask is made of the probabilities block by block, and what lies on several
blocks is put together, so that no object is cut::

    image --rows--> tiles --network--> bands --strips--> probability, detail, ...   (writing)
    probability --blocks--> regions, watershed basins --seams--> objects --> mask   (masks)
"""
