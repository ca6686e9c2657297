"""The trainer of napari-ds2net: recipes, data sets, losses, metrics, and the training itself."""
